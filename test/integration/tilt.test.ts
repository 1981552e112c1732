/** `wand watch` as a resource of Tilt, started, probed and stopped exactly as Tilt does it. */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lockPath } from '../../src/lib/paths.ts';
import { folder } from '../support/folder.ts';
import { Rig, writeConfig } from '../support/rig.ts';
import { startLocalApp, type SampleApp } from '../support/sample-app.ts';
import { TiltResource } from '../support/tilt-stand-in.ts';
import { until } from '../support/until.ts';
import { bin, wand } from '../support/wand.ts';

const WAND = [process.execPath, bin()];
const READY = [...WAND, 'status', '--ready'];

/** Whether somebody listens there. */
function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => {
      resolve(false);
    });
  });
}

describe('under Tilt', () => {
  let app: SampleApp;
  let port = 0;

  beforeAll(async () => {
    app = await startLocalApp();
    ({ api: port = 0 } = await writeConfig(app.folder, { api: Rig.processOf(app) }));
  });

  afterAll(async () => {
    await app.stop();
  });

  it('is ready when its targets are, says so in plain lines, and is gone when told to; then the next one starts', async () => {
    for (let start = 1; start <= 2; start += 1) {
      const resource = new TiltResource([...WAND, 'watch', '--plain', '--target', 'api'], app.folder);
      try {
        await until(async () => (await resource.probe([...READY, 'api'])).ok, 'ready', 60_000);
        expect(await resource.probe([...READY, 'api'])).toEqual({ ok: true, output: 'ready\n' });
        await until(() => /attached/.test(resource.output), 'it says that it is attached', 30_000);
        // No colour, no cursor, no carriage return: lines.
        expect(resource.output).not.toContain('\u001B');
        expect(resource.output).not.toContain('\r');
        const stopped = await resource.stop();
        expect(stopped).toMatchObject({ killed: false, survivors: [] });
        // wand's own limit is 1.9 s; the rest is a busy machine's.
        expect(stopped.ms).toBeLessThan(5_000);
      } finally {
        await resource.stop();
      }
      expect(await listens(port)).toBe(false);
      await expect(readFile(lockPath(app.folder))).rejects.toThrow(/ENOENT/);
    }
  });

  it('takes a hint of a hook, which holds nobody up', async () => {
    const hook = (): Promise<{ code: number | null; stdout: string; stderr: string }> =>
      wand(['notify', 'deploy', 'and', 'more', 'words'], { cwd: app.folder });
    // Nobody is there: no matter.
    expect(await hook()).toEqual({ code: 0, stdout: '', stderr: '' });
    const resource = new TiltResource([...WAND, 'watch', '--plain'], app.folder);
    try {
      await until(async () => (await resource.probe(READY)).ok, 'ready', 60_000);
      expect(await hook()).toEqual({ code: 0, stdout: '', stderr: '' });
      const { output } = await resource.probe([...WAND, 'status']);
      expect(output).toMatch(/^hints of notify: .*last: deploy, \d+ s ago$/m);
    } finally {
      await resource.stop();
    }
  });

  it('goes on without its target, and with a target that it does not know says what there is', async () => {
    await using project = await folder();
    await writeConfig(project.path, { api: { docker: { container: 'x', host: 'unix:///nonexistent/docker.sock' } } });
    const resource = new TiltResource([...WAND, 'watch', '--plain'], project.path);
    try {
      await until(
        async () => (await resource.probe(READY)).output.startsWith('not ready: api: '),
        'it says why',
        60_000,
      );
      expect(await resource.probe([...READY, 'apo'])).toEqual({
        ok: false,
        output: 'wand: there is no target apo\n  fix: did you mean api?\n',
      });
      expect(resource.running).toBe(true);
    } finally {
      expect(await resource.stop()).toMatchObject({ killed: false, survivors: [] });
    }
  });

  it('whose port_forwards hold the port: the fix names them, and it goes on once they are gone', async () => {
    await using project = await folder();
    const { api = 0 } = await writeConfig(project.path, { api: { process: { match: 'no-such-program' } } });
    const script = `require('net').createServer().listen(${String(api)}, '127.0.0.1')`;
    const tilt = spawn(process.execPath, ['-e', script], { argv0: 'tilt', stdio: 'ignore' });
    const gone = new Promise((resolve) => tilt.once('exit', resolve));
    await until(() => listens(api), 'the forward');
    const resource = new TiltResource([...WAND, 'watch', '--plain'], project.path);
    try {
      const fix = `take port_forwards=[${String(api)}] out of the Tiltfile`;
      await until(() => resource.output.includes(fix), 'the fix', 60_000);
      expect(resource.output).toContain(`port ${String(api)} is taken by process ${String(tilt.pid)} (tilt`);
      expect((await resource.probe(READY)).ok).toBe(false);
      tilt.kill('SIGKILL');
      await gone;
      await until(async () => (await resource.probe(READY)).ok, 'ready', 60_000);
    } finally {
      tilt.kill('SIGKILL');
      await resource.stop();
    }
  });

  it('a second one in the project says who is there', async () => {
    await using project = await folder();
    await writeConfig(project.path, { api: { process: { match: 'no-such-program' } } });
    const first = new TiltResource([...WAND, 'watch', '--plain'], project.path);
    try {
      await until(async () => (await first.probe(READY)).ok, 'ready', 60_000);
      const second = new TiltResource([...WAND, 'watch', '--plain'], project.path);
      await until(() => !second.running, 'it ends', 30_000);
      expect(second.output).toContain(String(first.pid));
      expect(second.output).toMatch(/fix: /);
    } finally {
      await first.stop();
    }
  });
});
