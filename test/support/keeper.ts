/** A keeper on a free port, with what it announced, for tests that bring their own workers. */
import { EditorPort, type EditorPortEvent, type EditorPortOptions } from '../../src/dap/editor-port.ts';
import { DapClient, type DapClientOptions } from './dap-client.ts';
import { until } from './until.ts';

export class Keeper {
  readonly port: EditorPort;
  readonly events: EditorPortEvent[] = [];

  private constructor(options: Partial<EditorPortOptions>) {
    const all = { name: 'shop', port: 0, terminateOnDisconnect: false, ...options };
    this.port = new EditorPort(all, (event) => this.events.push(event));
  }

  static async start(options: Partial<EditorPortOptions> = {}): Promise<Keeper> {
    const keeper = new Keeper(options);
    await keeper.port.listen(new AbortController().signal);
    return keeper;
  }

  editor(options: DapClientOptions = {}): Promise<DapClient> {
    return DapClient.connect(this.port.port, options);
  }

  /** Waits until the breakpoints of a generation are set. */
  async verified(generation: number): Promise<number> {
    const event = await until(
      () => this.events.find((one) => one.type === 'verified' && one.generation === generation),
      `the breakpoints of worker generation ${String(generation)}`,
    );
    return event.type === 'verified' ? event.at : 0;
  }

  of<T extends EditorPortEvent['type']>(type: T): Extract<EditorPortEvent, { type: T }>[] {
    return this.events.filter((one): one is Extract<EditorPortEvent, { type: T }> => one.type === type);
  }
}
