// Owns helper containers: one for each target container, of its own image, in its PID and network namespaces, with
// SYS_PTRACE. A helper leaves when we do, however we went. Must not decide when one is needed.
import { randomBytes } from 'node:crypto';
import { DebugwandError } from '../lib/errors.ts';
import type { DockerEngine } from './docker-engine.ts';
import { explainDocker } from './docker-errors.ts';
import { execInContainer } from './docker-exec.ts';
import { HELPER_LABEL } from './docker-select.ts';
import { parseFailure, type ContainerDetails } from './docker-wire.ts';
import { isOrphan, ownMark } from './owner.ts';
import type { ExecStream } from './target.ts';

/** Interpreters tried for one helper: each costs a container. */
const MAX_TRIES = 6;
const OWNER_LABEL = 'debugwand.owner';

/*
 * Two small programs. The sleeper is the helper's first process; the keeper is exec'd beside it, and its stdin is our
 * wire: when that ends, the keeper waits for the agents beside it (they may be on a lease) and for no other keeper to have
 * come; then it tells the sleeper, which ends as soon as all have left (or after 6 s), and with it the container goes. (The container's own stdin would do with Docker, but Podman never closes
 * it; and Podman does not remove a container that something still runs in.) A sleeper without a keeper leaves by itself.
 * They find each other by a word in their command lines, as pids are the target's; "debugwand" in it tells the payload
 * that they are ours.
 */
const COMMON = `
import os, signal, sys, time
def read(path):
    try:
        with open(path, "rb") as file: return file.read()
    except OSError: return b""
def processes(path, right):
    return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and right(read("/proc/" + pid + path))]
def named(word): return processes("/cmdline", lambda line: word in line)
`;
const sleeper = (word: string): string => `# debugwand sleeper ${word}${COMMON}
def leave(*_):
    own = read("/proc/self/cgroup")
    for _ in range(60):
        if len(processes("/cgroup", lambda group: group == own)) < 2: break
        time.sleep(0.1)
    time.sleep(0.2)
    os._exit(0)
signal.signal(signal.SIGUSR1, leave)
while True:
    time.sleep(30)
    if not named(b"# debugwand keeper ${word}"): leave()
`;
const keeper = (word: string): string => `# debugwand keeper ${word}${COMMON}
sys.stdin.buffer.read()
own = read("/proc/self/cgroup")
while True:
    keepers = named(b"# debugwand keeper ${word}")
    if max(keepers) != os.getpid(): sys.exit()
    if len(processes("/cgroup", lambda group: group == own)) <= 2: break
    time.sleep(0.5)
for pid in named(b"# debugwand sleeper ${word}"): os.kill(pid, signal.SIGUSR1)
`;

interface Helper {
  readonly id: string;
  /** Of its keeper. */
  readonly argv: readonly string[];
  readonly keeper: ExecStream;
  /** The keeper's wire was cut; the helper may live on. */
  cut: boolean;
}

export class DockerHelpers {
  /** By id and start of the target container: its namespaces are those of one start. */
  readonly #helpers = new Map<string, Promise<Helper>>();
  #swept = false;

  /**
   * The id of the container's helper, started on first use.
   * @param interpreters tried in order, as the entrypoint
   * @throws DebugwandError `helper-denied`, or what is wrong with the container or its engine
   */
  async idFor(
    engine: DockerEngine,
    details: ContainerDetails,
    interpreters: readonly string[],
    signal: AbortSignal,
  ): Promise<string> {
    const key = keyOf(details);
    const known = this.#helpers.get(key);
    if (known !== undefined) {
      const helper = await known;
      if (!helper.cut) return helper.id;
      // Another call may have got here first.
      const now = this.#helpers.get(key);
      if (now !== undefined && now !== known) return (await now).id;
      return (await this.#follow(key, this.#keepAgain(engine, details, interpreters, helper, signal))).id;
    }
    return (await this.#follow(key, this.#start(engine, details, interpreters, signal))).id;
  }

  #follow(key: string, starting: Promise<Helper>): Promise<Helper> {
    this.#helpers.set(key, starting);
    starting.then(
      (helper) => {
        // It ends with its target, or by somebody's hand: the next one who asks gets a new one.
        void helper.keeper.exit.then(({ code }) => {
          helper.cut = true;
          if (code !== null && this.#helpers.get(key) === starting) this.#helpers.delete(key);
        });
      },
      () => {
        if (this.#helpers.get(key) === starting) this.#helpers.delete(key);
      },
    );
    return starting;
  }

  /** The helper of before, if it is still there: agents may live in it. */
  async #keepAgain(
    engine: DockerEngine,
    details: ContainerDetails,
    interpreters: readonly string[],
    { id, argv }: Helper,
    signal: AbortSignal,
  ): Promise<Helper> {
    try {
      const keeper = await execInContainer(engine, { container: id, argv }, signal);
      return { id, argv, keeper: quiet(keeper), cut: false };
    } catch (error) {
      if (explainDocker(error, { endpoint: engine.endpoint }).code !== 'replica-gone') throw error;
      return this.#start(engine, details, interpreters, signal);
    }
  }

  /** To be told when a helper turned out to be gone: the next one who asks gets a new one. */
  forget(details: ContainerDetails): void {
    this.#drop(keyOf(details));
  }

  /** Removes helpers of daemons that are dead. Once is enough. */
  async sweep(engine: DockerEngine, signal: AbortSignal): Promise<void> {
    if (this.#swept) return;
    this.#swept = true;
    const all = await engine.list(signal);
    const stale = all.filter(({ labels }) => labels[HELPER_LABEL] !== undefined && isOrphan(labels[OWNER_LABEL] ?? ''));
    await Promise.allSettled(stale.map(({ id }) => engine.remove(id, signal)));
  }

  /** Forgets the helpers of containers that do not run any more: they ended with them. */
  keepOnly(running: ReadonlySet<string>): void {
    for (const key of this.#helpers.keys()) if (!running.has(key.slice(0, key.indexOf('@')))) this.#drop(key);
  }

  /** Removes all of ours. */
  async close(engine: DockerEngine | null, signal: AbortSignal): Promise<void> {
    const helpers = await Promise.allSettled(this.#helpers.values());
    this.#helpers.clear();
    await Promise.allSettled(
      helpers.map(async (settled) => {
        if (settled.status === 'rejected') return;
        settled.value.keeper.close();
        await engine?.remove(settled.value.id, signal);
      }),
    );
  }

  #drop(key: string): void {
    const helper = this.#helpers.get(key);
    this.#helpers.delete(key);
    void helper?.then(
      (gone) => {
        gone.keeper.close();
      },
      () => undefined,
    );
  }

  async #start(
    engine: DockerEngine,
    details: ContainerDetails,
    interpreters: readonly string[],
    signal: AbortSignal,
  ): Promise<Helper> {
    await this.sweep(engine, signal).catch(() => undefined);
    let last: unknown = null;
    for (const interpreter of interpreters.filter((path) => path !== '/proc/1/exe').slice(0, MAX_TRIES)) {
      const word = randomBytes(6).toString('hex');
      try {
        const id = await engine.startHelper(
          {
            name: `debugwand-helper-${details.id.slice(0, 12)}-${word}`,
            imageId: details.imageId,
            command: [interpreter, '-I', '-S', '-c', sleeper(word)],
            labels: { [HELPER_LABEL]: details.id, [OWNER_LABEL]: ownMark() },
            joins: details,
            healthCheck: details.healthCheck,
            userNamespaceMode: details.userNamespaceMode,
          },
          signal,
        );
        const argv = [interpreter, '-I', '-S', '-c', keeper(word)];
        return { id, argv, keeper: await keep(engine, id, argv, signal), cut: false };
      } catch (error) {
        signal.throwIfAborted();
        last = error;
        if (!isAboutInterpreter(error)) break;
      }
    }
    throw explainHelper(last, details, engine.endpoint);
  }
}

/** The image has no such program, or it is none that runs Python: then the sleeper ended before its keeper came. */
function isAboutInterpreter(error: unknown): boolean {
  const { text } = parseFailure(error);
  return /no such file|not found|permission denied|exec format|not running|state improper|no such container/i.test(
    text,
  );
}

function keyOf(details: ContainerDetails): string {
  return `${details.id}@${details.startedAt}`;
}

async function keep(
  engine: DockerEngine,
  id: string,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<ExecStream> {
  try {
    return quiet(await execInContainer(engine, { container: id, argv }, signal));
  } catch (error) {
    await engine.remove(id, AbortSignal.timeout(10_000)).catch(() => undefined);
    throw error;
  }
}

/** What it says is of no interest. */
function quiet(stream: ExecStream): ExecStream {
  stream.stdout.resume();
  stream.stderr.resume();
  stream.stdin.on('error', () => undefined);
  return stream;
}

function explainHelper(error: unknown, details: ContainerDetails, endpoint: string): DebugwandError {
  const named = explainDocker(error, { endpoint, container: details.name });
  if (named.code !== 'docker-failed' && named.code !== 'docker-denied') return named;
  return new DebugwandError({
    code: 'helper-denied',
    message: `no helper container could be started beside \`${details.name}\`: ${named.message}`,
    fix: 'give the container the capability itself: `docker run --cap-add SYS_PTRACE`, or in Compose `cap_add: [SYS_PTRACE]`',
    cause: error,
  });
}
