// Owns the finding of the engine: reads what docker-endpoint.ts needs to know, tries its candidates, and returns the first
// that answers. Must not know containers.
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DebugwandError, messageOf } from '../lib/errors.ts';
import {
  currentContextName,
  describeEndpoint,
  endpointCandidates,
  parseContextMeta,
  type DockerContext,
  type Candidate,
  type EndpointFacts,
} from './docker-endpoint.ts';
import { DockerEngine } from './docker-engine.ts';
import { deniedError, explainDocker, unreachableError } from './docker-errors.ts';
import { parseFailure } from './docker-wire.ts';

/** How long one candidate may take to answer a ping, ms. */
const PING_TIMEOUT_MS = 5_000;

/**
 * The first engine that answers. Known sockets are tried together, so that a dead one costs no time.
 * @param explicit `host` of the target; null: found out.
 * @throws DebugwandError `docker-unreachable` (naming what was tried), `docker-denied`, `docker-host-invalid`
 */
export async function connectDocker(explicit: string | null, signal: AbortSignal): Promise<DockerEngine> {
  const candidates = endpointCandidates(await readFacts(explicit));
  const tries = await Promise.all(candidates.map((candidate) => tryCandidate(candidate, signal)));
  signal.throwIfAborted();
  let found: DockerEngine | null = null;
  for (const attempt of tries) {
    if (attempt.engine === null) continue;
    if (found === null) found = attempt.engine;
    else attempt.engine.close();
  }
  if (found !== null) return found;
  // It answered, if only with a refusal: what it said is the news.
  const refused = tries.find((attempt) => parseFailure(attempt.error).status !== null);
  if (refused !== undefined) {
    throw explainDocker(refused.error, { endpoint: describeEndpoint(refused.candidate.endpoint) });
  }
  const denied = tries.find((attempt) => attempt.denied);
  if (denied !== undefined) throw deniedError(describeEndpoint(denied.candidate.endpoint), denied.error);
  throw unreachableError(notFoundText(tries), tries[0]?.error);
}

interface Attempt {
  readonly candidate: Candidate;
  readonly engine: DockerEngine | null;
  readonly denied: boolean;
  /** Nothing is there at all: not worth a word. */
  readonly absent: boolean;
  readonly error: unknown;
}

async function tryCandidate(candidate: Candidate, signal: AbortSignal): Promise<Attempt> {
  let engine: DockerEngine | null = null;
  try {
    engine = await DockerEngine.open(candidate.endpoint);
    await engine.ping(AbortSignal.any([signal, AbortSignal.timeout(PING_TIMEOUT_MS)]));
    return { candidate, engine, denied: false, absent: false, error: null };
  } catch (error) {
    engine?.close();
    const { code } = parseFailure(error);
    return { candidate, engine: null, denied: code === 'EACCES' || code === 'EPERM', absent: code === 'ENOENT', error };
  }
}

function notFoundText(tries: readonly Attempt[]): string {
  const [only] = tries;
  if (tries.length === 1 && only !== undefined) {
    const { endpoint, origin } = only.candidate;
    return `no container engine answers at ${describeEndpoint(endpoint)} (named by ${origin}): ${messageOf(only.error)}`;
  }
  const present = tries.filter((attempt) => !attempt.absent);
  const silent = present.map(
    (a) => `${describeEndpoint(a.candidate.endpoint)} does not answer (${messageOf(a.error)})`,
  );
  const absent = tries.filter((attempt) => attempt.absent);
  const nothing = absent.map(
    (attempt) => `${attempt.candidate.origin} at ${describeEndpoint(attempt.candidate.endpoint)}`,
  );
  return `no container engine answers; tried: ${[...silent, ...nothing].join(', ')}`;
}

/** @internal for tests: what this machine says, HOME and DOCKER_CONFIG respected. */
export async function readFacts(
  explicit: string | null,
  env: EndpointFacts['env'] = process.env,
): Promise<EndpointFacts> {
  const home = env['HOME'] ?? homedir();
  return {
    explicit,
    env,
    context: await readContext(env, env['DOCKER_CONFIG'] ?? join(home, '.docker')),
    home,
    uid: process.getuid?.() ?? null,
    platform: process.platform,
  };
}

async function readContext(env: EndpointFacts['env'], dir: string): Promise<DockerContext | DebugwandError | null> {
  const config = await readFile(join(dir, 'config.json'), 'utf8').catch(() => null);
  const name = currentContextName(env, config);
  if (name === null) return null;
  const key = createHash('sha256').update(name).digest('hex');
  const meta = await readFile(join(dir, 'contexts', 'meta', key, 'meta.json'), 'utf8').catch(() => null);
  const tlsDir = join(dir, 'contexts', 'tls', key, 'docker');
  const hasTls = await stat(tlsDir).then(
    () => true,
    () => false,
  );
  const context = meta === null ? null : parseContextMeta(meta, hasTls ? tlsDir : null);
  return (
    context ??
    new DebugwandError({
      code: 'docker-host-invalid',
      message: `the current Docker context \`${name}\` cannot be read`,
      fix: 'choose one that exists: `docker context ls`, `docker context use default`',
      permanent: true,
    })
  );
}
