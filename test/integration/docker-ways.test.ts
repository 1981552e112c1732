/** Containers that make it hard: rights, users, file systems, images. One daemon watches them all at once. */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Rung } from '../../src/core/types.ts';
import { debugpyRequirement } from '../support/debugpy-requirement.ts';
import { ensureDocker } from '../support/docker.ts';
import { folder, type Folder } from '../support/folder.ts';
import { IMAGES } from '../support/images.ts';
import { assertGoodSession, connectEditor } from '../support/invariants.ts';
import { getOrSkip } from '../support/machine.ts';
import { venv } from '../support/python.ts';
import { ATTACHED, lookAt, writeConfig } from '../support/rig.ts';
import { BREAKPOINT_LINE, startContainerApp, type ContainerApp, type ContainerOptions } from '../support/sample-app.ts';
import { uniqueName } from '../support/target-stage.ts';
import { WandDaemon } from '../support/wand.ts';

const docker = await getOrSkip(() => ensureDocker(['python314', 'python315', 'distroless', 'twoPythons']));

const SERVE = ['app:app', '--host', '0.0.0.0', '--port', '8000'];
const UNICORN = ['gunicorn', '-b', '0.0.0.0:8000', '-k', 'uvicorn_worker.UvicornWorker', 'app:app'];
const AS_ANOTHER = ['setpriv', '--reuid=1000', '--regid=1000', '--clear-groups'];

interface Case extends Partial<ContainerOptions> {
  readonly what: string;
  readonly rung: Rung;
  readonly python?: string;
  /** Of `wand status`: whose debugpy is used. */
  readonly debugpy?: RegExp;
  /** Rungs that must have been refused before. */
  readonly skipped?: readonly Rung[];
}

const CASES: readonly Case[] = [
  { what: 'read-only file system', rung: 'exec', args: ['--read-only'] },
  { what: 'read-only file system but for a tmpfs', rung: 'exec', args: ['--read-only', '--tmpfs', '/tmp'] },
  { what: 'another user', rung: 'exec', args: ['--user', '1000'] },
  { what: 'no capabilities', rung: 'exec', args: ['--cap-drop', 'ALL'] },
  { what: 'no new privileges', rung: 'exec', args: ['--security-opt', 'no-new-privileges'] },
  {
    what: 'another user, no capabilities, read-only file system',
    rung: 'exec',
    args: ['--user', '1000', '--cap-drop', 'ALL', '--read-only'],
  },
  {
    what: 'a worker started as another user',
    rung: 'exec-as-worker',
    skipped: ['exec'],
    command: [...AS_ANOTHER, 'uvicorn', ...SERVE],
  },
  {
    what: 'a worker that changed its user after the start',
    rung: 'helper-container',
    skipped: ['exec', 'exec-as-worker'],
    command: [...UNICORN, '--user', '1000', '--group', '1000'],
  },
  {
    what: 'SYS_PTRACE',
    rung: 'exec',
    args: ['--cap-add', 'SYS_PTRACE'],
    command: [...AS_ANOTHER, 'uvicorn', ...SERVE],
  },
  {
    what: 'an init process and a shell before it',
    rung: 'exec',
    command: ['tini', '--', 'sh', '-c', `uvicorn ${SERVE.join(' ')}; true`],
  },
  { what: 'no shell in the image', rung: 'exec', image: IMAGES.distroless, command: ['-m', 'uvicorn', ...SERVE] },
  {
    what: 'two Pythons, the newer runs',
    rung: 'exec',
    image: IMAGES.twoPythons,
    python: '3.15',
    command: ['python3.15', '-m', 'uvicorn', ...SERVE],
  },
  { what: 'Python 3.15', rung: 'exec', image: IMAGES.python315, python: '3.15' },
  {
    what: 'a debugpy of its own that it imports',
    rung: 'exec',
    debugpy: /\(app\)/,
    edit: (text) => `import debugpy\n${text}`,
  },
  {
    what: 'a debugpy of its own that listens',
    rung: 'exec',
    debugpy: /\(app-listening\)/,
    edit: (text) => `import debugpy\ndebugpy.listen(("127.0.0.1", 5678))\n${text}`,
  },
];

/** As a target may be called. */
function slug(what: string): string {
  return what.replaceAll(/[^\w.]+/g, '-');
}

describe.skipIf(docker === undefined)('containers that make it hard', () => {
  const apps = new Map<string, ContainerApp>();
  let ports: Record<string, number> = {};
  let project: Folder;
  let daemon: WandDaemon | undefined;

  const started = (): WandDaemon => {
    if (daemon === undefined) throw new Error('no daemon');
    return daemon;
  };

  beforeAll(async () => {
    if (docker === undefined) return;
    project = await folder();
    const own = await venv('3.14', [debugpyRequirement()]);
    await cp(join(own, 'lib/python3.14/site-packages/debugpy'), project.at('debugpy'), { recursive: true });
    const mount = ['-v', `${project.at('debugpy')}:/usr/local/lib/python3.14/dist-packages/debugpy:ro`];
    const waiting = [...CASES];
    const starter = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const { what, image = IMAGES.python314, args = [], command = ['uvicorn', ...SERVE], edit, debugpy } = next;
        const mounted = debugpy === undefined ? args : [...args, ...mount];
        const options = {
          image,
          name: uniqueName('way'),
          args: mounted,
          command,
          ...(edit === undefined ? {} : { edit }),
        };
        apps.set(what, await startContainerApp(docker, options));
      }
    };
    await Promise.all([starter(), starter(), starter()]);
    const targets = CASES.map(({ what }): [string, object] => {
      const app = apps.get(what);
      return [slug(what), { docker: { container: app?.name }, pathMappings: [{ local: app?.folder, remote: '/app' }] }];
    });
    ports = await writeConfig(project.path, Object.fromEntries(targets));
    daemon = new WandDaemon(['watch', '--plain'], { cwd: project.path });
  });

  afterAll(async () => {
    await daemon?.stop();
    await Promise.all([...apps.values()].map((app) => app.stop()));
    await project[Symbol.asyncDispose]();
  });

  it.each(CASES)('$what: entered by $rung', async ({ what, rung, python, skipped = [], debugpy, edit }) => {
    const app = apps.get(what);
    if (app === undefined) throw new Error('no app');
    const target = await started().target('attached', ATTACHED, { name: slug(what), timeoutMs: 60_000 });
    expect(target.entry?.rung).toBe(rung);
    expect(target.entry?.skipped.map((skip) => skip.rung)).toEqual(skipped);
    expect(target.entry?.skipped.every(({ why }) => why !== '')).toBe(true);
    expect(target.worker?.python).toMatch(python ?? '3.14');
    expect(target.entry?.debugpy).toMatch(debugpy ?? /\(ours\)/);
    const editor = await connectEditor(ports[slug(what)] ?? 0);
    const file = join(app.folder, 'app.py');
    const line = BREAKPOINT_LINE + (edit === undefined ? 0 : edit('').split('\n').length - 1);
    await editor.attach({ [file]: [{ line }] });
    const after = editor.mark();
    const answer = app.price(14);
    const stop = await lookAt(editor, await editor.waitFor('stopped', undefined, { after }));
    expect(stop).toMatchObject({ name: 'price', line, path: file, variables: { total: '42' } });
    await editor.request('continue', { threadId: stop.threadId });
    expect(await answer).toEqual({ total: 42 });
    await assertGoodSession(editor);
    await editor.disconnect();
  });

  it('leaves nothing in them', async () => {
    const asked = performance.now();
    expect(await started().stop()).toBe(0);
    expect(performance.now() - asked).toBeLessThan(2000);
    await Promise.all(
      [...apps].map(async ([what, app]) => {
        expect(await app.price(1), what).toEqual({ total: 3 });
        expect(await app.docker('diff', app.name), what).not.toMatch(/debugwand/);
      }),
    );
    const [first] = apps.values();
    // Helper containers are gone with it.
    expect(await first?.docker('ps', '-a', '--filter', 'label=debugwand.helper', '--format', '{{.Names}}')).toBe('');
  });
});
