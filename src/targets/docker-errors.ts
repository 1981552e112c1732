// Owns the names and fixes of everything that an engine can refuse. Pure; must not import I/O.
import { DebugwandError, asDebugwandError } from '../lib/errors.ts';
import { parseFailure } from './docker-wire.ts';

const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'ENOTSOCK',
]);

/** Any failure of a Docker target. `container` is its name, `endpoint` what we talk to. */
export function explainDocker(error: unknown, context: { endpoint: string; container?: string }): DebugwandError {
  if (error instanceof DebugwandError) return error;
  const { status, code, text } = parseFailure(error);
  const container = context.container === undefined ? 'the container' : `container \`${context.container}\``;
  if (code === 'EACCES' || code === 'EPERM') return deniedError(context.endpoint, error);
  if (NETWORK_CODES.has(code) || /socket hang up|aborted|timed out|timeout/i.test(status === null ? text : '')) {
    return unreachableError(`the container engine at ${context.endpoint} does not answer (${text})`, error);
  }
  if (/is paused/i.test(text)) {
    return new DebugwandError({
      code: 'replica-paused',
      message: `${container} is paused`,
      fix: 'let it go on: `docker unpause`',
      cause: error,
    });
  }
  if (status === 404 || /no such container/i.test(text)) {
    return goneError(`${container} does not exist any more`, error);
  }
  if (status === 409 || /is not running|not running|state improper|exec sessions on running containers/i.test(text)) {
    return goneError(`${container} does not run`, error);
  }
  if (status === 401 || status === 403) {
    return new DebugwandError({
      code: 'docker-denied',
      message: `the container engine at ${context.endpoint} refused: ${text}`,
      fix: 'debugwand needs list, inspect, events and exec of the Docker API: allow them in the socket proxy or its policy',
      cause: error,
      permanent: true,
    });
  }
  if (status !== null) {
    return new DebugwandError({
      code: 'docker-failed',
      message: `the container engine at ${context.endpoint} answered ${String(status)}: ${text}`,
      fix: 'see `docker info` and the log of the engine; it is tried again',
      cause: error,
    });
  }
  return asDebugwandError(error, 'docker-failed');
}

export function goneError(message: string, cause?: unknown): DebugwandError {
  return new DebugwandError({
    code: 'replica-gone',
    message,
    fix: 'nothing to do: it is entered again as soon as it runs',
    cause,
  });
}

export function unreachableError(message: string, cause?: unknown): DebugwandError {
  return new DebugwandError({
    code: 'docker-unreachable',
    message,
    fix: 'start Docker or Podman, or name its socket: DOCKER_HOST=unix:///path, or `host` of the docker target in the config',
    cause,
  });
}

export function deniedError(endpoint: string, cause?: unknown): DebugwandError {
  return new DebugwandError({
    code: 'docker-denied',
    message: `no permission to use the container engine at ${endpoint}`,
    fix: 'join its group and log in again: `sudo usermod -aG docker $USER`, or use rootless Docker or Podman',
    cause,
    permanent: true,
  });
}

/**
 * What runtimes print instead of the program's output when a program cannot be started: null when `text` is not that.
 * Docker prints it on stdout (exit 126, newer ones 127), Podman on stderr (127 not found, 126 not executable).
 */
export function execFailure(exitCode: number | null, text: string, program: string): DebugwandError | null {
  if (exitCode === null || exitCode < 125 || exitCode > 127) return null;
  if (!/OCI runtime|runc: exec|crun: |exec failed|unable to start container process/i.test(text)) return null;
  const line = text.trim().split('\n')[0]?.trim() ?? '';
  if (
    /unable to find user|no matching entries in (passwd|group)|setgroups|setuid|operation not permitted/i.test(line)
  ) {
    return new DebugwandError({
      code: 'exec-denied',
      message: `the container engine refused to run a program as that user: ${line}`,
      fix: 'run the app as the user of the container, or add `cap_add: [SYS_PTRACE]`',
      cause: line,
    });
  }
  if (/no such file|not found|permission denied|is a directory|exec format error|not a directory/i.test(line)) {
    return new DebugwandError({
      code: 'exec-not-found',
      message: `\`${program}\` cannot be run in the container: ${reasonOf(line)}`,
      fix: 'use an image that has Python 3.8 or later',
      cause: line,
    });
  }
  return new DebugwandError({
    code: 'exec-failed',
    message: `the container engine could not start a program in the container: ${line}`,
    fix: 'it is tried again; see the log of the engine',
    cause: line,
  });
}

function reasonOf(line: string): string {
  return (
    /no such file[^:]*|executable file not found[^:]*|permission denied|is a directory|exec format error|not a directory/i
      .exec(line)?.[0]
      .trim() ?? line
  );
}
