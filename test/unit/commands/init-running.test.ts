import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { findRunning, isApp, matchOf, ownWords } from '../../../src/commands/init-running.ts';
import { folder } from '../../support/folder.ts';

test.each([
  ['/v/bin/python3.14 /v/bin/uvicorn app:app --reload', 'uvicorn app:app --reload', 'uvicorn app:app'],
  ['python -m flask run --debug', 'flask run --debug', 'flask run'],
  ['python3 -X dev manage.py runserver', 'manage.py runserver', 'manage\\.py runserver'],
  ['python manage.py runserver', 'manage.py runserver', 'manage\\.py runserver'],
  ['/usr/bin/gunicorn -w 4 app', 'gunicorn -w 4 app', 'gunicorn'],
  ['python -c print()', null, null],
  ['python', null, null],
  ['bash -c x', null, null],
])('%s', (line, words, match) => {
  const own = ownWords(line.split(' '));
  expect(own?.join(' ') ?? null).toBe(words);
  if (own !== null && match !== null) {
    expect(matchOf(own)).toBe(match);
    expect(new RegExp(matchOf(own)).test(line)).toBe(true);
  }
});

test.each([
  ['uvicorn app:app', true],
  ['manage.py runserver 8001', true],
  ['manage.py migrate', false],
  ['uv run flask run', true],
  ['uv run pytest', false],
  ['job.py', true],
  ['shop.worker', true],
  ['pytest -x', false],
  ['ipython', false],
  ['ruff-lsp', false],
  ['/opt/tool.py', false],
  ['.venv/lib/python3.14/site-packages/lsp_server.py', false],
])('%s in the folder of a project: its app is %s', async (line, is) => {
  await using project = await folder({
    'manage.py': '',
    'job.py': '',
    'shop/worker.py': '',
    '.venv/lib/python3.14/site-packages/lsp_server.py': '',
  });
  expect(isApp(line.split(' '), project.path, project.path)).toBe(is);
});

test.skipIf(process.platform !== 'linux')(
  'finds what runs in a folder, the outermost only, and nothing of elsewhere',
  async () => {
    // Python to those who look at it; Node is what every machine that runs this test has.
    const script = `
    const { spawn } = require('node:child_process');
    if (!process.argv[2]) spawn(process.execPath, ['main.py', 'child'], { argv0: 'python3.14', stdio: 'inherit' });
    else console.log('both run');
    setInterval(() => {}, 1000);`;
    await using project = await folder({ 'main.py': script });
    await using other = await folder({});
    const child = spawn(process.execPath, ['main.py'], { argv0: 'python3.14', cwd: project.path, detached: true });
    try {
      await once(child.stdout, 'data');
      expect(await findRunning(project.path)).toEqual([{ pid: child.pid, words: ['main.py'] }]);
      expect(await findRunning(other.path)).toEqual([]);
    } finally {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    }
  },
);
