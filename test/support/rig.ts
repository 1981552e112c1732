/** The whole product on a running app: config, daemon, one editor; and the story that every test tells: stop, look, go on. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TargetReport } from '../../src/core/status.ts';
import type { DapClient } from './dap-client.ts';
import { assertGoodSession, connectEditor } from './invariants.ts';
import { BREAKPOINT_LINE, type ContainerApp, type SampleApp } from './sample-app.ts';
import { kubeconfigFor } from './kubernetes-access.ts';
import { freePort } from './machine.ts';
import type { PodApp } from './pod-app.ts';
import { WandDaemon } from './wand.ts';

export const ATTACHED = (target: TargetReport): boolean => target.phase === 'attached' || target.phase === 'stopped';

/** Where a worker stopped, and the first scope's variables. */
export interface Stop {
  readonly threadId: number;
  readonly frameId: number;
  readonly name: string;
  readonly line: number;
  readonly path: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly scope: number;
  readonly reason: string;
}

interface Frame {
  readonly id: number;
  readonly name: string;
  readonly line: number;
  readonly source?: { readonly path?: string };
}

/** Writes `debugwand.config.json`: targets by name, each without its port, which is chosen. Gives the ports. */
export async function writeConfig(
  folder: string,
  targets: Readonly<Record<string, object>>,
  settings: object = {},
): Promise<Record<string, number>> {
  const ports: Record<string, number> = {};
  const whole: Record<string, object> = {};
  for (const [name, target] of Object.entries(targets)) {
    ports[name] = await freePort();
    whole[name] = { port: ports[name], ...target };
  }
  await writeFile(
    join(folder, 'debugwand.config.json'),
    JSON.stringify({ targets: whole, notify: false, ...settings }),
  );
  return ports;
}

/** Of an output event: the editor's breakpoints are set in a worker. */
function isAttached(body: Record<string, unknown>): boolean {
  return String(body['output']).startsWith('attached to worker');
}

/** Looks at a stop: its top frame and the variables of its first scope. */
export async function lookAt(editor: DapClient, stopped: { readonly body?: unknown }): Promise<Stop> {
  const { threadId, reason } = stopped.body as { threadId: number; reason: string };
  const { stackFrames } = await editor.request<{ stackFrames: Frame[] }>('stackTrace', { threadId });
  const frame = stackFrames[0];
  if (frame === undefined) throw new Error('a stop without a frame');
  const { scopes } = await editor.request<{ scopes: { variablesReference: number }[] }>('scopes', {
    frameId: frame.id,
  });
  const scope = scopes[0]?.variablesReference ?? 0;
  const { variables } = await editor.request<{ variables: { name: string; value: string }[] }>('variables', {
    variablesReference: scope,
  });
  return {
    threadId,
    reason,
    frameId: frame.id,
    name: frame.name,
    line: frame.line,
    path: frame.source?.path ?? '',
    variables: Object.fromEntries(variables.map(({ name, value }) => [name, value])),
    scope,
  };
}

/** One app, one daemon with one target, one editor. */
export class Rig {
  readonly app: SampleApp;
  readonly daemon: WandDaemon;
  readonly port: number;
  /** app.py, as the editor knows it. */
  readonly file: string;
  #editor: DapClient | null = null;

  private constructor(app: SampleApp, daemon: WandDaemon, port: number) {
    this.app = app;
    this.daemon = daemon;
    this.port = port;
    this.file = join(app.folder, 'app.py');
  }

  /** Starts `wand watch` in the app's folder on that target. */
  static async start(
    app: SampleApp,
    target: object,
    settings: object = {},
    env: Readonly<Record<string, string>> = {},
  ): Promise<Rig> {
    const { app: port = 0 } = await writeConfig(app.folder, { app: target }, settings);
    return new Rig(app, new WandDaemon(['watch', '--plain'], { cwd: app.folder, env }), port);
  }

  /** The same, waits for the worker to be entered, and attaches an editor. */
  static async attachedTo(app: SampleApp | ContainerApp, settings: object = {}): Promise<Rig> {
    const rig = await Rig.start(
      app,
      'name' in app ? { docker: { container: app.name } } : Rig.processOf(app),
      settings,
    );
    await rig.attached();
    await rig.attach();
    return rig;
  }

  /** The same on pods; without a kubeconfig as an account with the documented rights. `target` adds to its config. */
  static async attachedToPod(
    app: PodApp,
    target: { kubeconfig?: string; context?: string; statefulset?: string; service?: string } = {},
  ): Promise<Rig> {
    const { cluster, namespace, name } = app;
    const kubeconfig = target.kubeconfig ?? (await kubeconfigFor(cluster, { namespace })).path;
    const rig = await Rig.start(app, {
      kubernetes: { ...(target.statefulset === undefined ? { service: name } : {}), namespace, kubeconfig, ...target },
    });
    await rig.attached();
    await rig.attach();
    return rig;
  }

  /** The target of a config for an app that `startLocalApp` started. */
  static processOf(app: SampleApp): object {
    return { process: { match: `uvicorn app:app --port ${new URL(app.url).port}` } };
  }

  get editor(): DapClient {
    if (this.#editor === null) throw new Error('no editor is attached yet');
    return this.#editor;
  }

  status(what: string, predicate: (target: TargetReport) => boolean, timeoutMs?: number): Promise<TargetReport> {
    return this.daemon.target(what, predicate, timeoutMs === undefined ? {} : { timeoutMs });
  }

  attached(): Promise<TargetReport> {
    return this.status('attached', ATTACHED, 60_000);
  }

  /** Pid of the worker as the target sees it. */
  async worker(): Promise<number> {
    const { worker } = await this.attached();
    return worker?.pid ?? 0;
  }

  /** An editor that attaches to a worker that is there, with a breakpoint at the line of all stories. */
  async attach(breakpoint: object = { line: BREAKPOINT_LINE }): Promise<DapClient> {
    this.#editor = await connectEditor(this.port);
    await this.#editor.attach({ [this.file]: [breakpoint] });
    await this.#editor.waitFor('output', isAttached);
    return this.#editor;
  }

  /** Does what makes the worker another one, and waits until the editor's breakpoints are set in the next. */
  async reattached(cause: () => Promise<unknown>, timeoutMs = 30_000): Promise<string> {
    const after = this.editor.mark();
    await cause();
    const { body } = await this.editor.waitFor('output', isAttached, { after, timeoutMs });
    return (body as { output: string }).output;
  }

  /** Sends a request, sees it stop at the breakpoint, goes on, and gives what was seen and what the app answered. */
  async hit(amount = 14): Promise<Stop & { readonly total: number }> {
    await this.app.answers();
    const after = this.editor.mark();
    const answer = this.app.price(amount);
    const stopped = await Promise.race([
      this.editor.waitFor('stopped', undefined, { after, timeoutMs: 20_000 }),
      answer.then((total) => {
        throw new Error(`no stop: the app answered ${JSON.stringify(total)}`);
      }),
    ]);
    const stop = await lookAt(this.editor, stopped);
    await this.editor.request('continue', { threadId: stop.threadId });
    const { total } = await answer;
    return { ...stop, total };
  }

  /** Ends the daemon, once the session is seen to have kept its promises. Resolves with its exit code. */
  async leave(): Promise<number | null> {
    const alive = this.daemon.child.exitCode === null && this.daemon.child.signalCode === null;
    try {
      if (alive && this.#editor !== null) await assertGoodSession(this.#editor);
    } finally {
      this.#editor?.destroy();
      this.#editor = null;
      await this.daemon.stop();
    }
    return this.daemon.exited;
  }

  async stop(): Promise<void> {
    try {
      await this.leave();
    } finally {
      await this.app.stop();
    }
  }
}
