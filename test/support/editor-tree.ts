/**
 * An editor that has a session for every worker: it opens one whenever it is asked to, with the configuration that it is
 * given, and sets the same breakpoints in each.
 */
import { DapClient, type DapClientOptions } from './dap-client.ts';
import { assertGoodSession, dapSchema } from './invariants.ts';
import { until } from './until.ts';

export interface ChildConfiguration {
  readonly name: string;
  readonly subProcessId: number;
  readonly connect: { readonly host: string; readonly port: number };
  readonly [name: string]: unknown;
}

export type Breakpoints = Readonly<Record<string, readonly object[]>>;

export class EditorTree {
  readonly root: DapClient;
  /** By slot; one that ended stays until the next one of that number. */
  readonly children = new Map<number, DapClient>();
  /** Every configuration that it was asked to start, in order. */
  readonly asked: ChildConfiguration[] = [];
  /** From being asked for a session to its breakpoints set in a worker, milliseconds. */
  readonly attachMs: number[] = [];
  readonly #breakpoints: Breakpoints;
  readonly #options: DapClientOptions;

  private constructor(root: DapClient, breakpoints: Breakpoints, options: DapClientOptions) {
    this.root = root;
    this.#breakpoints = breakpoints;
    this.#options = options;
  }

  /** Attaches; `event`: it knows debugpy's event and not the reverse request. */
  static async attach(
    port: number,
    breakpoints: Breakpoints,
    { event = false, attach = {} }: { readonly event?: boolean; readonly attach?: object } = {},
  ): Promise<EditorTree> {
    const options: DapClientOptions = { schema: await dapSchema(), timeoutMs: 30_000 };
    let tree: EditorTree | null = null;
    const root = await DapClient.connect(port, {
      ...options,
      onRequest: async (command, args) => {
        if (command !== 'startDebugging' || tree === null) return { success: false, message: 'not known' };
        await tree.#open((args as { configuration: ChildConfiguration }).configuration);
        return { success: true };
      },
      onEvent: (name, body) => {
        if (name === 'debugpyAttach' && tree !== null) void tree.#open(body as ChildConfiguration);
      },
    });
    tree = new EditorTree(root, breakpoints, options);
    const can = event ? { clientID: 'vscode' } : { supportsStartDebuggingRequest: true };
    await root.attach(breakpoints, { initialize: can, attach });
    return tree;
  }

  /** Sessions whose connection stands, the root's first. */
  get open(): readonly DapClient[] {
    return [this.root, ...[...this.children.values()].filter((child) => !child.closed)];
  }

  async #open(configuration: ChildConfiguration): Promise<void> {
    this.asked.push(configuration);
    const started = performance.now();
    const { connect, subProcessId } = configuration;
    const child = await DapClient.connect(connect.port, { ...this.#options, host: connect.host });
    this.children.set(subProcessId, child);
    await child.attach(this.#breakpoints, {
      initialize: { supportsStartDebuggingRequest: true },
      attach: configuration,
    });
    child
      .waitFor('output', ({ output }) => String(output).startsWith('attached to worker'), { timeoutMs: 600_000 })
      .then(
        () => this.attachMs.push(performance.now() - started),
        // It ended before.
        () => undefined,
      );
  }

  /** Waits until so many sessions are attached to a worker at this moment. */
  async attached(count: number): Promise<void> {
    await until(
      () => this.open.length === count && this.open.every(isAttached),
      `${String(count)} attached sessions`,
      30_000,
    ).catch((error: unknown) => {
      const said = this.open.map((one) => one.events('output').map(({ output }) => output));
      throw new Error(`${String(error)}\n${JSON.stringify(said, null, 1)}`, { cause: error });
    });
  }

  /** The next stop in any session, from these marks on. */
  async stopped(
    marks: ReadonlyMap<DapClient, number> = this.marks(),
    timeoutMs = 30_000,
  ): Promise<{ session: DapClient; threadId: number }> {
    return until(
      () => {
        for (const session of this.open) {
          const [stop] = session.events('stopped', marks.get(session) ?? 0);
          if (stop !== undefined) return { session, threadId: Number(stop['threadId']) };
        }
        return null;
      },
      'a stop in any session',
      timeoutMs,
    );
  }

  marks(): ReadonlyMap<DapClient, number> {
    return new Map(this.open.map((session) => [session, session.mark()]));
  }

  /** Each session kept its promises. */
  async assertGood(): Promise<void> {
    for (const session of this.open) await assertGoodSession(session);
  }

  destroy(): void {
    for (const session of this.open) session.destroy();
  }
}

/** Its last word about its worker is that it is attached. */
function isAttached(session: DapClient): boolean {
  const words = session.events('output').map(({ output }) => String(output));
  return words.findLast((text) => /^(attached to worker|.*waiting for)/.test(text))?.startsWith('attached') === true;
}
