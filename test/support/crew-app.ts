/** An app with several workers in a container or a pod, debugged with a session for each: for the stories of such crews. */
import { DapClient } from './dap-client.ts';
import { Crew } from './crew.ts';
import { EditorTree } from './editor-tree.ts';
import { Rig } from './rig.ts';
import type { SampleApp } from './sample-app.ts';
import type { WandDaemon } from './wand.ts';

/** app.py: the price is known in line 11. It ticks, so that no worker is ever asleep. */
export const WSGI = `import json, os, threading, time
def tick():
    while True:
        time.sleep(0.05)
threading.Thread(target=tick, daemon=True).start()
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Connection", "close")])
    path = environ["PATH_INFO"]
    if not path.startswith("/price/"):
        return [str(os.getpid()).encode()]
    total = int(path[7:]) * 3
    return [json.dumps({"total": total}).encode()]
`;

export function gunicorn(workers: number, ...more: readonly string[]): string[] {
  return ['gunicorn', '-w', String(workers), '-b', '0.0.0.0:8000', ...more, 'app:app'];
}

/** What a worker says of itself at a stop: its pid in the container. */
export const PID = '__import__("os").getpid()';

export class CrewApp extends Crew {
  readonly rig: Rig;
  readonly editor: EditorTree;

  private constructor(rig: Rig, editor: EditorTree) {
    super();
    this.rig = rig;
    this.editor = editor;
  }

  /** Debugs the app; resolves when `workers` sessions are attached, each with a breakpoint in that line (null: none). */
  static async start(app: SampleApp, target: object, workers: number, line: number | null): Promise<CrewApp> {
    const rig = await Rig.start(app, target);
    try {
      await rig.attached();
      const editor = await EditorTree.attach(rig.port, { [rig.file]: line === null ? [] : [{ line }] });
      await editor.attached(workers);
      return new CrewApp(rig, editor);
    } catch (error) {
      const { stdout } = await rig.daemon.run('logs');
      await rig.stop();
      throw new Error(`${String(error)}\n${stdout}`, { cause: error });
    }
  }

  get file(): string {
    return this.rig.file;
  }

  get daemon(): WandDaemon {
    return this.rig.daemon;
  }

  async ask(): Promise<void> {
    // Whoever is stopped does not answer, and a container that is away refuses.
    await this.rig.app.price(14, AbortSignal.timeout(30_000)).catch(() => undefined);
  }

  /** Of the further sessions: the one of that slot. */
  child(slot: number): DapClient {
    const child = this.editor.children.get(slot);
    if (child === undefined) throw new Error(`no session ${String(slot)}`);
    return child;
  }

  /** The editor's promises were kept; ends daemon and app. */
  async stop(): Promise<void> {
    try {
      if (this.daemon.child.exitCode === null) await this.editor.assertGood();
    } finally {
      this.editor.destroy();
      await this.rig.stop();
    }
  }
}
