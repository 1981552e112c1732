/** What `wand doctor` says of a project: against real processes and ports, with nothing looked into. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
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
