/** Emacs with dape, the real ones, on a real app under `uvicorn --reload`. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Editor } from '../support/editors/editor.ts';
import { startEmacs } from '../support/editors/emacs.ts';
import { Story } from '../support/editors/story.ts';
import { WorkersStory } from '../support/editors/workers-story.ts';
import { editorTree } from '../support/editors/tree.ts';
import { getOrSkip } from '../support/machine.ts';
import { Rig } from '../support/rig.ts';
import { startLocalApp } from '../support/sample-app.ts';
import { until } from '../support/until.ts';

const tree = await getOrSkip(editorTree);

describe.skipIf(tree === undefined)('Emacs with dape', () => {
  const open: Editor[] = [];
  let rig: Rig | null = null;

  afterEach(async () => {
    for (const editor of open.splice(0)) await editor.close();
    await rig?.stop();
    rig = null;
  });

  async function stage(args?: readonly string[]): Promise<Rig> {
    const app = await startLocalApp(args);
    rig = await Rig.start(app, Rig.processOf(app));
    await rig.attached();
    return rig;
  }

  async function emacs(on: Rig): Promise<Editor> {
    const editor = await startEmacs({ name: 'app', port: on.port });
    open.push(editor);
    return editor;
  }

  it('stays attached through save and kill, and leaves the app running', async () => {
    const on = await stage();
    await new Story(await emacs(on), on).play();
  });

  it('has a session for each worker, and keeps them through kills', async () => {
    const on = await stage(['--workers', '2']);
    await new WorkersStory(await emacs(on), on).play();
  });

  it('that crashes while stopped lets the app run on, and the next Emacs attaches at once', async () => {
    const on = await stage();
    const first = await emacs(on);
    const story = new Story(first, on);
    await story.attach();
    await story.stop();
    await first.crash();
    await on.app.answers();
    const second = new Story(await emacs(on), on);
    await second.attach();
    await second.stopAndGo(42);
  });

  it('comes second to another editor: it is told who is there, and the first hears nothing of it', async () => {
    const on = await stage();
    const first = await on.attach();
    const second = await emacs(on);
    await second.attach();
    const { notices } = await until(
      async () => {
        const view = await second.view();
        return view.sessions === 0 && view.notices.length > 0 ? view : null;
      },
      'the refusal',
      60_000,
    );
    expect(notices[0]).toMatch(/a test is attached to .*app.* already, and one editor at a time can be/);
    expect(await on.hit()).toMatchObject({ total: 42 });
    expect(first.closed).toBe(false);
  });
});
