// The real payload in real containers: which agent may enter which worker, and what it says when it may not.
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agentCommand } from '../../../src/agent/bundle.ts';
import { AgentClient } from '../../../src/agent/client.ts';
import type { AgentEvent, ProcessInfo } from '../../../src/agent/protocol.ts';
import { execHere } from '../../support/agent.ts';
import { ensureDocker } from '../../support/docker.ts';
import { IMAGES } from '../../support/images.ts';
import { getOrSkip } from '../../support/machine.ts';
import { until } from '../../support/until.ts';

const engine = await getOrSkip(() => ensureDocker(['python314', 'twoPythons', 'distroless']));
const never = new AbortController().signal;
const LOOP = 'import time\nprint("up", flush=True)\nwhile True: time.sleep(0.01)';
const DROPS_ITS_UID = `import os\nos.setgroups([]); os.setgid(1000); os.setuid(1000)\n${LOOP}`;
const NON_ROOT = ['--user', '1000:1000'];
const HARDENED = [...NON_ROOT, '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--read-only'];

function docker(...args: readonly string[]): string {
  if (engine === undefined) throw new Error('no engine');
  const [program, ...first] = engine.command;
  return execFileSync(program, [...first, ...args], { encoding: 'utf8' }).trim();
}

const started = new Map<string, string>();

/** The id of a container that runs Python; one per description, for all tests. */
function container(name: string, options: readonly string[], command: readonly string[], image: string): string {
  const id =
    started.get(name) ??
    docker('run', '-d', '--init', '--network', 'none', '--stop-timeout', '1', ...options, image, ...command);
  started.set(name, id);
  return id;
}

interface Attempt {
  readonly output: string;
  readonly exit: number;
}

/** Starts an agent by that docker command and runs a script in the container's Python process. */
async function inject(...command: readonly string[]): Promise<Attempt> {
  const { argv, bytes } = agentCommand('python3');
  const [program, ...first] = engine?.command ?? [''];
  const stream = execHere([program, ...first, ...command, ...argv.slice(1)]);
  const agent = await AgentClient.start(stream, { bundle: bytes, name: 'the container' }, never);
  try {
    const events: AgentEvent[] = [];
    agent.onEvent((event) => {
      events.push(event);
    });
    await agent.request('watch', { scope: { kind: 'namespace' }, statsMs: 60_000 }, never);
    const isWorker = (one: ProcessInfo): boolean => one.python !== null && one.cmdline.join(' ').includes(LOOP);
    const { pid, startTime, execId } = await until(
      () => events.flatMap((event) => (event.event === 'processes' ? event.processes : [])).findLast(isWorker),
      'the worker in the list of processes',
    );
    const params = { run: 1, pid, startTime, execId, filename: 'p.py', args: [], timeoutMs: 5_000 };
    const { exit } = await agent.request('run', { ...params, source: 'import os\nprint(os.getuid())' }, never);
    return { exit, output: events.map((event) => (event.event === 'output' ? event.text : '')).join('') };
  } finally {
    await agent.close();
  }
}

const python = (code: string): string[] => ['python3', '-c', code];
const plain = (): string => container('plain', [], python(LOOP), IMAGES.python314);
const readOnly = (): string => container('readOnly', ['--read-only'], python(LOOP), IMAGES.python314);
const nonRoot = (): string => container('nonRoot', NON_ROOT, python(LOOP), IMAGES.python314);
const hardened = (): string => container('hardened', HARDENED, python(LOOP), IMAGES.python314);
const dropped = (): string => container('dropped', [], python(DROPS_ITS_UID), IMAGES.python314);
const distroless = (): string =>
  container('distroless', ['--entrypoint', '/usr/bin/python3.14'], ['-c', LOOP], IMAGES.distroless);
const newer = (): string => container('newer', [], ['python3.15', '-c', LOOP], IMAGES.twoPythons);

/** As the daemon runs its helper: same image, the target's namespaces, SYS_PTRACE. */
function helper(id: string): string[] {
  const shared = ['--network', `container:${id}`, '--pid', `container:${id}`];
  return [
    'run',
    '-i',
    '--rm',
    ...shared,
    '--cap-add',
    'SYS_PTRACE',
    '-u',
    '0',
    '--entrypoint',
    'python3',
    IMAGES.python314,
  ];
}

describe.skipIf(engine === undefined)('in a container', () => {
  beforeAll(() => {
    for (const make of [plain, readOnly, nonRoot, hardened, dropped, distroless, newer]) make();
  });

  afterAll(() => {
    for (const id of started.values()) docker('rm', '-f', id);
  });

  test.each<[string, () => string, string, string]>([
    ['root', plain, 'python3', '0'],
    ['root on a read-only file system', readOnly, 'python3', '0'],
    ['another user than root', nonRoot, 'python3', '1000'],
    ['a user with nothing: no capability, read-only, no new privileges', hardened, 'python3', '1000'],
    ['an image without a shell', distroless, '/usr/bin/python3.14', '65532'],
    ['Python 3.15 from an agent on 3.14', newer, 'python3.14', '0'],
  ])('exec enters %s', async (_name, id, interpreter, uid) => {
    await expect(inject('exec', '-i', id(), interpreter)).resolves.toEqual({ exit: 0, output: `${uid}\n` });
  });

  test.each<[string, () => string, string, Record<string, unknown>]>([
    ['root, of a worker with a user of its own', nonRoot, '0:0', { uid: 1000, gid: 1000, agentUid: 0, needs: 'uid' }],
    ['another user', nonRoot, '1001:1001', { uid: 1000, agentUid: 1001, needs: 'uid' }],
    ['root, of a worker that gave root up', dropped, '0:0', { uid: 1000, agentUid: 0, needs: 'uid' }],
    ['the very user that it became', dropped, '1000:1000', { uid: 1000, agentUid: 1000, needs: 'ptrace' }],
  ])('exec as %s: denied, and why', async (_name, id, user, facts) => {
    await expect(inject('exec', '-i', '-u', user, id(), 'python3')).rejects.toMatchObject({ code: 'denied', facts });
  });

  test.each<[string, () => string, string]>([
    ['root with fewer capabilities than the helper', plain, '0'],
    ['a user with nothing', hardened, '1000'],
    ['one that gave root up', dropped, '1000'],
    ['one in an image without a shell', distroless, '65532'],
  ])('a helper container enters %s', async (_name, id, uid) => {
    await expect(inject(...helper(id()))).resolves.toEqual({ exit: 0, output: `${uid}\n` });
  });

  test('no worker said a word about it', () => {
    for (const id of started.values()) expect(docker('logs', id)).toBe('up');
  });
});
