/**
 * The story of an app with two workers: a session for each, in whichever the request lands; a worker killed, running and
 * under the stop, and none of the sessions ends. Throws where it goes otherwise.
 */
import assert from 'node:assert/strict';
import { get } from 'node:http';
import type { Rig } from '../rig.ts';
import { until } from '../until.ts';
import type { Editor, EditorView } from './editor.ts';
import { FIRST_LINE, see } from './story.ts';

/** The kernel gives a request to whom it likes: so many never all go to the same one. */
const MANY = 200;

export class WorkersStory {
  readonly #editor: Editor;
  readonly #rig: Rig;

  constructor(editor: Editor, rig: Rig) {
    this.#editor = editor;
    this.#rig = rig;
  }

  async play(): Promise<void> {
    await this.#editor.breakpoint(this.#rig.file, FIRST_LINE);
    await this.#editor.attach();
    // A session is shown before its breakpoints are set; then wand says that it is attached.
    await this.#see(
      'a session for each worker, set up',
      ({ sessions, console }) => sessions === 2 && console.split('attached to worker').length === 3,
    );
    const first = await this.#stopsInBoth([]);
    await this.#killed(first[0] ?? 0);
    const second = await this.#stopsInBoth(first.slice(0, 1));
    await this.#killedWhileStopped(second);
    await this.#editor.disconnect();
    await until(async () => (await this.#editor.view()).sessions === 0, 'the end of all sessions', 60_000);
    for (let count = 0; count < 4; count += 1) assert.equal(await this.#ask(), '{"total":42}');
  }

  /** Requests until each of two workers has stopped once; gives their pids. `gone`: those that must not be among them. */
  async #stopsInBoth(gone: readonly number[]): Promise<number[]> {
    const seen = new Set<number>();
    for (let count = 0; count < MANY && seen.size < 2; count += 1) {
      const { pid, answer } = await this.#stop();
      assert.ok(!gone.includes(pid), `a stop in ${String(pid)}, which was killed`);
      seen.add(pid);
      await this.#editor.continue();
      assert.equal(await answer, '{"total":42}');
      await this.#runs();
    }
    assert.equal(seen.size, 2, 'stops in two workers');
    return [...seen];
  }

  async #stop(): Promise<{ readonly pid: number; readonly answer: Promise<string> }> {
    const answer = this.#ask();
    answer.catch(() => undefined);
    await this.#see('a stop', ({ stop, mark }) => stop?.line === FIRST_LINE && mark === FIRST_LINE);
    return { pid: Number(await this.#editor.evaluate("__import__('os').getpid()")), answer };
  }

  async #killed(pid: number): Promise<void> {
    process.kill(pid, 'SIGKILL');
    await this.#replaced(pid);
  }

  async #killedWhileStopped(pids: readonly number[]): Promise<void> {
    const { pid } = await this.#stop();
    assert.ok(pids.includes(pid));
    process.kill(pid, 'SIGKILL');
    await this.#runs();
    await this.#replaced(pid);
    await this.#stopsInBoth([pid]);
  }

  /** The server has started another in its place, and the editor's breakpoints are set in it. */
  async #replaced(pid: number): Promise<void> {
    await this.#rig.status(
      'the worker replaced',
      ({ workers }) => workers.length === 2 && workers.every((one) => one.phase === 'attached' && one.pid !== pid),
      60_000,
    );
    await this.#runs();
  }

  async #runs(): Promise<void> {
    const { sessions } = await this.#see('no stop', ({ stop, mark }) => stop === null && mark === null);
    assert.equal(sessions, 2);
  }

  #see(what: string, fits: (view: EditorView) => boolean): Promise<EditorView> {
    return see(this.#editor, this.#rig, what, fits);
  }

  /** On a connection of its own: a worker keeps those that it has. */
  #ask(): Promise<string> {
    return new Promise((resolve, reject) => {
      const request = get(`${this.#rig.app.url}/price/14`, { agent: false }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('end', () => resolve(body));
        response.on('error', reject);
      });
      request.on('error', reject);
    });
  }
}
