/** `wand watch` on all replicas of an app, and an editor that has a session for each of their workers. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TargetReport, WorkerSlotReport } from '../../src/core/status.ts';
import type { DapClient } from './dap-client.ts';
import { EditorTree } from './editor-tree.ts';
import { lookAt, writeConfig } from './rig.ts';
import { BREAKPOINT_LINE, type SampleApp } from './sample-app.ts';
import { until } from './until.ts';
import { WandDaemon } from './wand.ts';

/** A replica: its host's name as the app knows it, and where it answers. */
export interface Place {
  readonly host: string;
  readonly url: string;
}

export class ReplicasStage {
  readonly daemon: WandDaemon;
  readonly editor: EditorTree;
  readonly #folder: string;
  readonly #places: () => Promise<readonly Place[]>;

  private constructor(folder: string, daemon: WandDaemon, editor: EditorTree, places: () => Promise<readonly Place[]>) {
    this.#folder = folder;
    this.daemon = daemon;
    this.editor = editor;
    this.#places = places;
  }

  /** `places`: the replicas as they are at the time, which all answer. */
  static async start(
    app: SampleApp,
    target: object,
    places: () => Promise<readonly Place[]>,
    settings: object = {},
  ): Promise<ReplicasStage> {
    const { app: port = 0 } = await writeConfig(app.folder, { app: target }, settings);
    const daemon = new WandDaemon(['watch', '--plain'], { cwd: app.folder });
    await daemon.target('attached', ({ phase }) => phase === 'attached', { timeoutMs: 60_000 });
    const editor = await EditorTree.attach(port, { [join(app.folder, 'app.py')]: [{ line: BREAKPOINT_LINE }] });
    return new ReplicasStage(app.folder, daemon, editor, places);
  }

  /** Waits until there are so many replicas, each with so many sessions, and no other session is there. */
  async everywhere(count: number, each = 1): Promise<TargetReport> {
    const hosts = await until(
      async () => {
        const now = (await this.#places()).map(({ host }) => host);
        return now.length === count ? now : null;
      },
      `${String(count)} replicas`,
      60_000,
    );
    const isIn = ({ replica, session, phase }: WorkerSlotReport, host: string): boolean =>
      session && phase === 'attached' && replica.split('/')[0] === host;
    const report = await this.daemon.target(
      `sessions in ${hosts.join(', ')}`,
      ({ workers }) =>
        workers.length === count * each &&
        hosts.every((host) => workers.filter((one) => isIn(one, host)).length === each),
      { timeoutMs: 60_000 },
    );
    await this.editor.attached(count * each);
    return report;
  }

  /** A request to each replica (or that one) stops in a session, and is answered. Gives the sessions by host. */
  async hits(only?: string): Promise<Map<string, DapClient>> {
    const sessions = new Map<string, DapClient>();
    for (const { host, url } of await this.#places()) {
      if (only !== undefined && only !== host) continue;
      const marks = this.editor.marks();
      const answer = fetch(`${url}/price/10`).then((response) => response.json());
      const { session, threadId } = await this.editor.stopped(marks);
      const { frameId, line } = await lookAt(session, { body: { threadId, reason: 'breakpoint' } });
      const expression = '__import__("socket").gethostname()';
      const { result } = await session.request<{ result: string }>('evaluate', { expression, frameId });
      await session.request('continue', { threadId });
      const { total } = (await answer) as { total: number };
      if (result !== `'${host}'` || line !== BREAKPOINT_LINE || total !== 30) {
        throw new Error(`asked ${host}, and ${result} stopped at ${String(line)} and answered ${String(total)}`);
      }
      sessions.set(host, session);
    }
    return sessions;
  }

  /** Changes settings of the config while it is in use; resolves when they count. */
  async configure(settings: object): Promise<void> {
    const applied = (): number => this.daemon.output.split('the config changed and was applied').length;
    const before = applied();
    const file = join(this.#folder, 'debugwand.config.json');
    const config = JSON.parse(await readFile(file, 'utf8')) as object;
    await writeFile(file, JSON.stringify({ ...config, ...settings }));
    await until(() => applied() > before, 'the config is applied', 30_000);
  }

  async stop(): Promise<void> {
    this.editor.destroy();
    await this.daemon.stop();
  }
}
