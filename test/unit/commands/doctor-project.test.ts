/** What `wand doctor` says of a project: against real processes and ports, with nothing looked into. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it, test, vi } from 'vitest';
import type { Check } from '../../../src/commands/doctor-check.ts';
import { projectChecks } from '../../../src/commands/doctor-project.ts';
import { folder } from '../../support/folder.ts';

const LISTENER = `const server = require('net').createServer().listen(0, '127.0.0.1', () => console.log(server.address().port))`;

/** The check of that name; nothing is looked at after it. */
async function checkOf(cwd: string, name: RegExp): Promise<Check | undefined> {
  for await (const check of projectChecks({ cwd, file: undefined, env: {} })) if (name.test(check.name)) return check;
  return undefined;
}

test.skipIf(process.platform !== 'linux').each([
  ['tilt', /^take port_forwards=\[\d+\] out of the Tiltfile: .*, or set another `port` for app$/],
  ['skaffold', /^take \d+ out of `portForward` in skaffold\.yaml, .*, or set another `port` for app$/],
  ['anybody', /^end it \(kill \d+\), or set another `port` for app$/],
])('a port that %s has: the words of the daemon', async (argv0, fix) => {
  const holder = spawn(process.execPath, ['-e', LISTENER], { argv0, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [line] = (await once(createInterface(holder.stdout), 'line')) as [string];
    const app = { process: { match: 'nobody-is-called-so' }, port: Number(line) };
    await using project = await folder({ 'debugwand.config.json': JSON.stringify({ targets: { app } }) });
    const check = await checkOf(project.path, /^port \d+ of app$/);
    expect(check).toMatchObject({ state: 'fail', fix: expect.stringMatching(fix) as string });
    expect(check?.detail).toContain(`(pid ${String(holder.pid)})`);
  } finally {
    holder.kill('SIGKILL');
  }
});

describe.skipIf(process.platform !== 'linux')('the Python of this machine', () => {
  afterEach(() => vi.unstubAllEnvs());
  const api = (config: object): Record<string, string> => ({
    'debugwand.config.json': JSON.stringify({ targets: { api: config } }),
  });
  // Answers like a Python that is new enough.
  const PYTHON = '#!/bin/sh\nexit 0\n';
  const none = {
    state: 'fail',
    detail: 'no Python 3.8 or later was found on this machine',
    fix: expect.stringContaining('uv python install') as string,
  };

  it.each<[string, files: Record<string, string>, found: string | null, check: object | undefined]>([
    ['is missed without a config', {}, null, none],
    ['is missed by a command', api({ command: ['flask', 'run'] }), null, none],
    ['is missed by a match', api({ process: { match: 'nobody-is-called-so' } }), null, none],
    ['is in PATH', api({ command: ['flask', 'run'] }), 'bin/python3', { state: 'ok' }],
    ['is in the environment of the project', api({ command: ['flask', 'run'] }), '.venv/bin/python', { state: 'ok' }],
    ['is beside the command', api({ command: ['./env/bin/flask', 'run'] }), 'env/bin/python3.14', { state: 'ok' }],
    ['is brought by uv', api({ command: ['uv', 'run', 'flask', 'run'] }), null, { state: 'skip' }],
    ['is of no use to a container', api({ docker: { container: 'api' } }), null, undefined],
    ['is not asked for by a config that is bad', { 'debugwand.config.json': '{' }, null, undefined],
  ])('%s', async (_name, files, found, expected) => {
    await using project = await folder({ ...files, ...(found === null ? {} : { [found]: PYTHON }) });
    if (found !== null) await chmod(project.at(found), 0o755);
    vi.stubEnv('PATH', project.at('bin'));
    const check = await checkOf(project.path, /^(python|daemon)$/);
    if (expected === undefined) expect(check?.name).not.toBe('python');
    else expect(check).toMatchObject({ name: 'python', ...expected });
    if (found !== null) expect(check?.detail).toContain(project.at(found));
  });
});
