// Owns which processes are the container's own when it shares a PID namespace with others. Must not know platforms.
import type { Scope } from '../core/types.ts';
import type { ExecStream } from './target.ts';

/**
 * Prints the pids of the caller's control group whose parents are not of it, as JSON: an exec runs in the control group of
 * its container. The word debugwand makes the payload take it for one of ours.
 */
const SCRIPT = `# debugwand scope
import json, os
def read(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""
me, own, parents = os.getpid(), read("/proc/self/cgroup"), {}
for name in os.listdir("/proc"):
    if name.isdigit() and int(name) != me and read("/proc/" + name + "/cgroup") == own:
        parents[int(name)] = int(read("/proc/" + name + "/stat").rpartition(")")[2].split()[1] or 0)
print(json.dumps([pid for pid, parent in parents.items() if parent not in parents]))
`;

const OUTPUT_LIMIT = 1_000_000;
/** A watch waits for the answer: a container that is frozen, or whose node is cut off, must not hold it up. Ms. */
const ANSWER_MS = 10_000;

/**
 * The scope of such a container; all of the namespace where nobody can tell. Ask once for each start of the container.
 * @param interpreters tried in order
 * @param run runs a program in the container
 */
export async function sharedScope(
  interpreters: readonly string[],
  run: (argv: readonly string[], signal: AbortSignal) => Promise<ExecStream>,
  signal: AbortSignal,
): Promise<Scope> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
  for (const interpreter of interpreters) {
    if (limit.aborted) break;
    try {
      const { code, text } = await outputOf(await run([interpreter, '-I', '-S', '-c', SCRIPT], limit), limit);
      const roots: unknown = code === 0 ? JSON.parse(text) : null;
      if (Array.isArray(roots) && roots.length > 0) {
        return { kind: 'descendants', roots: roots.filter((pid) => typeof pid === 'number') };
      }
    } catch {
      signal.throwIfAborted();
      // The next interpreter may do better.
    }
  }
  return { kind: 'namespace' };
}

/** What a program says that reads no input, to its end. */
export async function outputOf(
  stream: ExecStream,
  signal: AbortSignal,
): Promise<{ readonly code: number | null; readonly text: string }> {
  const abort = (): void => {
    stream.close();
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    stream.stdin.end();
    stream.stderr.resume();
    let text = '';
    for await (const chunk of stream.stdout) if (text.length < OUTPUT_LIMIT) text += String(chunk);
    return { code: (await stream.exit).code, text };
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
