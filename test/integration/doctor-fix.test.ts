/** `wand doctor --fix` on real daemons, agents, ports, files and a real cluster: mends, looks again, and leaves the rest alone. */
import { existsSync } from 'node:fs';
import { cp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { doctorCommand } from '../../src/commands/doctor.ts';
import { lockPath, socketPath } from '../../src/lib/paths.ts';
import { folder, type Folder } from '../support/folder.ts';
import { allProcesses } from '../support/invariants.ts';
import { kubeconfigFor } from '../support/kubernetes-access.ts';
import { isAlive } from '../support/kubernetes-daemon.ts';
import { ensureKubernetes } from '../support/kubernetes.ts';
import { freePort, getOrSkip } from '../support/machine.ts';
import { ATTACHED, Rig, writeConfig } from '../support/rig.ts';
import { run } from '../support/run.ts';
import { startLocalApp } from '../support/sample-app.ts';
import { root } from '../support/step.ts';
import { until } from '../support/until.ts';
import { wand, WandDaemon } from '../support/wand.ts';

const cluster = await getOrSkip(() => ensureKubernetes());

const NOBODY = { process: { match: 'nobody-is-called-so' } };
const REPORT = z.object({
  version: z.literal(1),
  ok: z.boolean(),
  checks: z.array(z.object({ name: z.string(), state: z.string(), detail: z.string(), mend: z.string().nullable() })),
  mended: z.array(z.object({ check: z.string(), what: z.string(), result: z.string(), why: z.string().nullable() })),
});

let project: Folder;
let port: number;

beforeEach(async () => {
  project = await folder();
  ({ app: port = 0 } = await writeConfig(project.path, { app: NOBODY }));
});

afterEach(async () => {
  await project[Symbol.asyncDispose]();
});

async function doctor(env: Readonly<Record<string, string>> = {}): Promise<z.infer<typeof REPORT>> {
  const { stdout } = await wand(['doctor', '--fix', '--yes', '--json'], { cwd: project.path, env });
  return REPORT.parse(JSON.parse(stdout));
}

/** Other tests leave files of killed daemons, too. */
function ofPort<T extends { readonly check: string }>(mended: readonly T[]): T[] {
  return mended.filter(({ check }) => check.startsWith('port '));
}

/** A daemon that runs, and is in nobody's way when the test ends. */
async function withDaemon(work: (daemon: WandDaemon, pid: number) => Promise<void>, cwd = project.path): Promise<void> {
  const daemon = new WandDaemon(['watch', '--plain'], { cwd });
  try {
    // In a folder below, its project is not where it was started.
    await until(() => daemon.output.includes('no process of the target was found'), 'the daemon watches');
    await work(daemon, daemon.child.pid ?? 0);
  } finally {
    await daemon.stop('SIGKILL');
  }
}

describe('wand doctor --fix', () => {
  it('removes lock and socket of a daemon that was killed', async () => {
    await withDaemon(async (daemon) => {
      await daemon.stop('SIGKILL');
      const files = [lockPath(project.path), socketPath(project.path)];
      expect(files.map((file) => existsSync(file))).toEqual([true, true]);
      // Without a yes it only says what it would do.
      const { stdout } = await wand(['doctor', '--fix'], { cwd: project.path });
      expect(stdout).toMatch(/would remove \d+ files of daemons that were killed: `--yes` does it/);
      expect(files.map((file) => existsSync(file))).toEqual([true, true]);
      const { mended } = await doctor();
      expect(mended).toContainEqual(expect.objectContaining({ check: 'files of daemons', result: 'mended' }));
      expect(files.map((file) => existsSync(file))).toEqual([false, false]);
    });
  });

  it('ends a daemon that does not answer', async () => {
    await withDaemon(async (daemon, pid) => {
      process.kill(pid, 'SIGSTOP');
      const { ok, mended } = await doctor();
      expect(mended).toContainEqual(
        expect.objectContaining({
          what: `stop the daemon that does not answer (pid ${String(pid)})`,
          result: 'mended',
        }),
      );
      expect(ok).toBe(true);
      // It was woken up, and left as it should.
      expect(await daemon.exited).toBe(0);
      expect(existsSync(lockPath(project.path))).toBe(false);
    });
  });

  it('ends a daemon of this project that lost its lock, and has the port', async () => {
    await withDaemon(async (daemon, pid) => {
      for (const file of [lockPath(project.path), socketPath(project.path)]) await rm(file);
      const { ok, checks, mended } = await doctor();
      expect(ofPort(mended).map(({ what, result }) => [what, result])).toEqual([
        [`stop the wand of this project, which no command reaches any more (pid ${String(pid)})`, 'mended'],
      ]);
      expect(ok).toBe(true);
      expect(checks).toContainEqual(expect.objectContaining({ name: `port ${String(port)} of app`, detail: 'free' }));
      expect(await daemon.exited).toBe(0);
    });
  });

  it("leaves the project's own daemon alone that was started in a folder below", async () => {
    await project.write({ 'below/app.py': '' });
    await withDaemon(async (daemon) => {
      const { checks, mended } = await doctor();
      expect(ofPort(mended)).toEqual([]);
      const name = `port ${String(port)} of app`;
      expect(checks).toContainEqual(expect.objectContaining({ name, detail: 'held by the running daemon' }));
      expect(daemon.child.exitCode).toBeNull();
    }, project.at('below'));
  });

  it('leaves the wand of a project below alone', async () => {
    const config = await readFile(project.at('debugwand.config.json'), 'utf8');
    await project.write({ 'below/debugwand.config.json': config });
    await withDaemon(async (daemon, pid) => {
      const { ok, checks, mended } = await doctor();
      expect({ ok, mended: ofPort(mended) }).toEqual({ ok: false, mended: [] });
      const detail = `held by a wand of ${project.at('below')} (pid ${String(pid)})`;
      expect(checks).toContainEqual(expect.objectContaining({ name: `port ${String(port)} of app`, detail }));
      expect(daemon.child.exitCode).toBeNull();
    }, project.at('below'));
  });

  it('leaves the wand of another project alone, and whoever else has the port', async () => {
    await using other = await folder();
    await withDaemon(async (daemon, pid) => {
      const config = await readFile(project.at('debugwand.config.json'), 'utf8');
      await other.write({ 'debugwand.config.json': config });
      const { code, stdout } = await wand(['doctor', '--fix', '--yes'], { cwd: other.path });
      expect(code).toBe(1);
      expect(stdout).toContain(
        `would stop the wand of ${project.path} (pid ${String(pid)}): only if you say so, on a terminal`,
      );
      expect((await daemon.status())?.daemon.pid).toBe(pid);
    });
    const stranger = createServer();
    await new Promise<void>((resolve) => stranger.listen(port, '127.0.0.1', resolve));
    const { ok, checks, mended } = await doctor();
    expect({ ok, mended: ofPort(mended) }).toEqual({ ok: false, mended: [] });
    expect(checks).toContainEqual(expect.objectContaining({ name: `port ${String(port)} of app`, state: 'fail' }));
    await new Promise((resolve) => stranger.close(resolve));
  });

  it('mends launch.json: another port, a folder that is gone, an entry that is missing; comments stay', async () => {
    const { b: second = 0 } = await writeConfig(project.path, { a: NOBODY, b: NOBODY });
    const config = z
      .object({ targets: z.record(z.string(), z.object({ port: z.int() })) })
      .parse(JSON.parse(await readFile(project.at('debugwand.config.json'), 'utf8')));
    const before = `{
  // mine
  "configurations": [
    { "name": "tests", "type": "debugpy", "request": "launch", },
    {
      "name": "wand: a", "type": "debugpy", "request": "attach",
      "connect": { "host": "127.0.0.1", "port": 1 }, // was it 5679?
      "justMyCode": false,
      "pathMappings": [{ "localRoot": "\${workspaceFolder}/gone", "remoteRoot": "/app" }],
    },
  ],
}
`;
    await project.write({ '.vscode/launch.json': before });
    const { ok, checks, mended } = await doctor();
    expect(ok).toBe(true);
    expect(mended.map(({ check, result }) => [check, result])).toContainEqual(['VS Code', 'mended']);
    expect(checks).toContainEqual(
      expect.objectContaining({ name: 'VS Code', state: 'ok', detail: 'launch.json attaches to every target' }),
    );
    const after = await readFile(project.at('.vscode/launch.json'), 'utf8');
    for (const kept of ['// mine', '"tests"', '// was it 5679?', '"justMyCode": false']) expect(after).toContain(kept);
    expect(after).toContain(`"port": ${String(config.targets['a']?.port)}`);
    expect(after).toContain(`"port": ${String(second)}`);
    expect(after).not.toContain('gone');
  });

  it('fetches debugpy into an empty cache', async () => {
    // A package brings its own; these are the sources without it.
    await using copy = await folder();
    for (const part of ['src', 'payload', 'package.json'])
      await cp(join(root, part), copy.at(part), { recursive: true });
    await symlink(join(root, 'node_modules'), copy.at('node_modules'));
    const env = { XDG_CACHE_HOME: copy.at('cache') };
    const looked = async (...args: readonly string[]): Promise<z.infer<typeof REPORT>> => {
      const program = [copy.at('src/bin.ts'), 'doctor', '--fix', '--json', ...args];
      return REPORT.parse(JSON.parse(await run(process.execPath, program, { cwd: project.path, env })));
    };
    const isDebugpy = { name: 'debugpy' };
    const { checks: before } = await looked();
    expect(before).toContainEqual(expect.objectContaining({ ...isDebugpy, state: 'warn' }));
    const { checks, mended } = await looked('--yes');
    expect(mended).toContainEqual({
      check: 'debugpy',
      what: 'fetch debugpy into the cache',
      result: 'mended',
      why: null,
    });
    expect(checks).toContainEqual(expect.objectContaining({ ...isDebugpy, state: 'ok' }));
    expect((await readdir(copy.at('cache/debugwand/debugpy'))).filter((name) => name.endsWith('.whl'))).toHaveLength(3);
  });

  it('ends an agent that outlived its daemon', async () => {
    const app = await startLocalApp();
    const rig = await Rig.start(app, Rig.processOf(app));
    try {
      await rig.status('attached', ATTACHED);
      const isAgent = ({ ppid, command }: { ppid: number; command: string }): boolean =>
        ppid === rig.daemon.child.pid && command.includes('# debugwand agent');
      const [agent] = (await allProcesses()).filter(isAgent);
      if (agent === undefined) throw new Error('no agent');
      // Frozen: it does not see its daemon's end.
      process.kill(agent.pid, 'SIGSTOP');
      await rig.daemon.stop('SIGKILL');
      expect(isAlive(agent.pid)).toBe(true);
      const { mended } = await doctor();
      const [mend] = mended.filter(({ check }) => check === 'agents on this machine');
      expect(mend).toMatchObject({ result: 'mended' });
      expect(mend?.what).toContain(String(agent.pid));
      await until(async () => !(await allProcesses()).some(({ pid }) => pid === agent.pid), 'the agent ends');
      // The app was let go.
      await app.answers();
    } finally {
      await rig.stop();
    }
  });
});

describe.skipIf(cluster === undefined)('wand doctor --fix, a context that does not look local', () => {
  it('is allowed in the config if a person says so, and only then', async () => {
    if (cluster === undefined) throw new Error('no cluster');
    const space = await cluster.namespace();
    try {
      const { path: kubeconfig } = await kubeconfigFor(cluster, { namespace: space.name, context: 'shop-prod' });
      await rm(project.at('debugwand.config.json'));
      const text = `export default {
  // A comment.
  targets: { web: { kubernetes: { service: 'web', kubeconfig: '${kubeconfig}' }, port: ${String(await freePort())} } },
};
`;
      await writeFile(project.at('debugwand.config.ts'), text);
      const asked: string[] = [];
      const said: string[] = [];
      const look = (answer: string | null): Promise<number> =>
        doctorCommand(
          { fix: true, yes: true },
          {
            cwd: project.path,
            env: process.env,
            print: (line) => said.push(line),
            asker:
              answer === null
                ? null
                : {
                    say: () => undefined,
                    ask: (question) => {
                      asked.push(question);
                      return Promise.resolve(answer);
                    },
                  },
          },
        );
      await look(null);
      expect(said.join('\n')).toMatch(
        /would allow debugging in the context shop-prod .*: only if you say so, on a terminal/,
      );
      await look('n');
      expect(await readFile(project.at('debugwand.config.ts'), 'utf8')).toBe(text);
      await look('y');
      expect(asked).toHaveLength(2);
      const after = await readFile(project.at('debugwand.config.ts'), 'utf8');
      expect(after).toContain('  allowContexts: ["shop-prod"],\n  // A comment.');
      expect(said.join('\n')).toMatch(/context of web: `shop-prod`, .*may be entered: you allowed it/);
    } finally {
      await space.remove();
    }
  });
});
