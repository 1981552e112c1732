// Owns which processes are the container's own when it shares a PID namespace with another one. Must not know selectors.
import type { Scope } from '../core/types.ts';
import type { DockerEngine } from './docker-engine.ts';
import { execInContainer } from './docker-exec.ts';
import { interpreterCandidates } from './docker-interpreters.ts';
import { scopeOf } from './docker-select.ts';
import type { ContainerDetails } from './docker-wire.ts';

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

/** Works out scopes, once for each start of a container. */
export class DockerScopes {
  readonly #known = new Map<string, Scope>();

  readonly of = async (engine: DockerEngine, details: ContainerDetails, signal: AbortSignal): Promise<Scope> => {
    if (!details.pidMode.startsWith('container:')) return scopeOf(details);
    const key = `${details.id}@${details.startedAt}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const scope = await sharedScope(engine, details, signal);
    // Bounded: only the starts of a few replicas are of interest.
    if (this.#known.size > 64) this.#known.clear();
    this.#known.set(key, scope);
    return scope;
  };
}

async function sharedScope(engine: DockerEngine, details: ContainerDetails, signal: AbortSignal): Promise<Scope> {
  for (const interpreter of interpreterCandidates(details, await engine.top(details.id, signal))) {
    try {
      const argv = [interpreter, '-I', '-S', '-c', SCRIPT];
      const stream = await execInContainer(engine, { container: details.id, argv }, signal);
      stream.stdin.end();
      stream.stderr.resume();
      let text = '';
      for await (const chunk of stream.stdout) if (text.length < OUTPUT_LIMIT) text += String(chunk);
      const { code } = await stream.exit;
      const roots: unknown = code === 0 ? JSON.parse(text) : null;
      if (Array.isArray(roots) && roots.length > 0) {
        return { kind: 'descendants', roots: roots.filter((pid) => typeof pid === 'number') };
      }
    } catch {
      signal.throwIfAborted();
      // The next interpreter may do better.
    }
  }
  // Nobody can tell: all of the namespace is better than nothing.
  return { kind: 'namespace' };
}
