/**
 * The story that every editor is told: attached once, stopped, looked at, stepped; the file saved, stopped again; the
 * worker killed under the stop; left while stopped. Throws where it goes otherwise.
 */
import assert from 'node:assert/strict';
import type { Rig } from '../rig.ts';
import { until } from '../until.ts';
import type { StageAction } from './conversation.ts';
import type { Editor, EditorView } from './editor.ts';

/** The line of app.py that knows the amount, the one before the breakpoint of other stories. */
export const FIRST_LINE = 10;

/** A view that fits; until then nothing pops up. */
export async function see(
  editor: Editor,
  rig: Rig,
  what: string,
  fits: (view: EditorView) => boolean,
): Promise<EditorView> {
  let last: EditorView | null = null;
  try {
    return await until(
      async () => {
        last = await editor.view();
        assert.deepEqual(last.notices, []);
        return fits(last) ? last : null;
      },
      what,
      60_000,
    );
  } catch (error) {
    throw new Error(`${String(error)}\nlast view: ${JSON.stringify(last)}\n${rig.daemon.output.slice(-2000)}`, {
      cause: error,
    });
  }
}

export class Story {
  readonly #editor: Editor;
  readonly #rig: Rig;
  readonly #note: (action: StageAction) => void;
  #attached = 0;
  #answer: Promise<{ total: number }> = Promise.resolve({ total: 0 });

  constructor(editor: Editor, rig: Rig, note: (action: StageAction) => void = () => undefined) {
    this.#editor = editor;
    this.#rig = rig;
    this.#note = note;
  }

  /** All of it, in one session. */
  async play(): Promise<void> {
    await this.attach();
    await this.look();
    await this.reload(4);
    await this.stopAndGo(56);
    await this.killedWhileStopped(5);
    await this.stopAndGo(70);
    await this.leaveWhileStopped(70);
  }

  /** The one attach of the story. */
  async attach(): Promise<void> {
    await this.#editor.breakpoint(this.#rig.file, FIRST_LINE);
    await this.#editor.attach();
    await this.#reached();
  }

  /** Stopped: variables, a step, an expression, on. */
  async look(): Promise<void> {
    const first = await this.stop();
    assert.deepEqual(first.stop?.function, 'price');
    assert.equal(first.stop.variables['amount'], '14');
    await this.#editor.next();
    const second = await this.see('the next line', ({ stop }) => stop?.line === 11 && stop.variables['total'] === '42');
    assert.equal(second.mark, 11);
    assert.equal(await this.#editor.evaluate('total * 2'), '84');
    await this.go(42);
  }

  async stopAndGo(total: number): Promise<void> {
    await this.stop();
    await this.go(total);
  }

  /** A request to the app, and the stop that it comes to. */
  async stop(): Promise<EditorView> {
    await this.#rig.app.answers();
    this.#note('request');
    this.#answer = this.#rig.app.price(14);
    // A killed worker takes the request with it: who waits for the answer hears of it.
    this.#answer.catch(() => undefined);
    return this.see(
      'a stop',
      ({ stop, mark }) => stop?.line === FIRST_LINE && stop.variables['amount'] === '14' && mark === FIRST_LINE,
    );
  }

  async go(total: number): Promise<void> {
    await this.#editor.continue();
    assert.deepEqual(await this.#answer, { total });
    this.#note('answered');
    await this.#runs();
  }

  /** The file is saved: the same session in the next worker. */
  async reload(factor: number): Promise<void> {
    this.#note('save');
    if (this.#editor.saveLine === undefined) await this.#rig.app.setFactor(factor);
    else await this.#editor.saveLine(FIRST_LINE, `    total = amount * ${String(factor)}`);
    await this.#reached();
  }

  async killedWhileStopped(factor: number): Promise<void> {
    await this.stop();
    const worker = await this.#rig.worker();
    this.#note('kill');
    process.kill(worker, 'SIGKILL');
    await this.#runs();
    const { console } = await this.see('the reason', (view) => view.console.includes('while stopped at app.py'));
    assert.match(console, new RegExp(`worker ${String(worker)}`));
    await this.reload(factor);
  }

  /** The editor leaves: the app runs on, and nothing stops it any more. */
  async leaveWhileStopped(total: number): Promise<void> {
    await this.stop();
    await this.#editor.disconnect();
    assert.deepEqual(await this.#answer, { total });
    this.#note('answered');
    await until(async () => (await this.#editor.view()).sessions === 0, 'the end of the session', 60_000);
    assert.deepEqual(await this.#rig.app.price(14), { total });
    await this.#rig.status('the editor gone', ({ editor }) => !editor.connected);
  }

  see(what: string, fits: (view: EditorView) => boolean): Promise<EditorView> {
    return see(this.#editor, this.#rig, what, fits);
  }

  async #runs(): Promise<void> {
    const { sessions } = await this.see('no stop', ({ stop, mark }) => stop === null && mark === null);
    assert.equal(sessions, 1);
  }

  /** Attached to one worker more than before. */
  async #reached(): Promise<void> {
    this.#attached += 1;
    await this.see('a worker', ({ console }) => console.split('attached to worker').length > this.#attached);
  }
}
