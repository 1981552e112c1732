import { describe, expect, it } from 'vitest';
import { parseStatus, parseStatusText, podPath } from '../../../src/targets/kubernetes-channels.ts';
import { execFailure } from '../../../src/targets/kubernetes-errors.ts';
import { portFailure } from '../../../src/targets/kubernetes-port-errors.ts';

const STARTING = 'Internal error occurred: error executing command in container: failed to exec in container: ';
const RUNC = `${STARTING}failed to start exec "107f": OCI runtime exec failed: exec failed: unable to start container process: `;

describe('a Status', () => {
  it.each<[string, unknown, object | null]>([
    ['success', { metadata: {}, status: 'Success' }, { success: true, exitCode: 0 }],
    [
      'an exit code',
      {
        status: 'Failure',
        message: 'command terminated with non-zero exit code: command terminated with exit code 7',
        reason: 'NonZeroExitCode',
        details: { causes: [{ reason: 'ExitCode', message: '7' }] },
      },
      { success: false, exitCode: 7, reason: 'NonZeroExitCode' },
    ],
    [
      'a program that did not start',
      { status: 'Failure', reason: 'InternalError', message: 'm', code: 500, details: { causes: [{ message: 'm' }] } },
      { success: false, exitCode: null, status: 500, message: 'm' },
    ],
    [
      'an exit code that is none',
      { status: 'Failure', reason: 'NonZeroExitCode', details: { causes: [{ reason: 'ExitCode', message: 'x' }] } },
      { exitCode: null },
    ],
    [
      'causes that are none',
      { status: 'Failure', reason: 'NonZeroExitCode', details: { causes: [null, 7] } },
      { exitCode: null },
    ],
    ['without anything', { status: 'Failure' }, { status: 0, reason: '', message: '', exitCode: null }],
    ['of another kind', { kind: 'Pod', status: { phase: 'Running' } }, null],
    ['a list', [], null],
    ['null', null, null],
  ])('%s', (_name, value, expected) => {
    const status = parseStatus(value);
    if (expected === null) expect(status).toBeNull();
    else expect(status).toMatchObject(expected);
    expect(parseStatusText(JSON.stringify(value))).toEqual(status);
  });

  it('in pieces is none yet', () => {
    expect(parseStatusText('{"status":"Succ')).toBeNull();
    expect(parseStatusText('')).toBeNull();
  });
});

describe('a path', () => {
  it('keeps words as they are, in order', () => {
    const words = ['', 'a b', '"$HOME"', 'ü\n', '*', 'a+b&c=d#%41'];
    const path = podPath(
      { namespace: 'shop', pod: 'web-1' },
      'exec',
      words.map((word): [string, string] => ['command', word]),
    );
    const url = new URL(path, 'https://127.0.0.1');
    expect(url.pathname).toBe('/api/v1/namespaces/shop/pods/web-1/exec');
    expect(url.searchParams.getAll('command')).toEqual(words);
  });
});

/** Seen with containerd 1.6 and runc 1.1. */
describe('a program that cannot be started', () => {
  it.each([
    [
      `Internal error occurred: ${RUNC}exec: "/no/such/python": stat /no/such/python: no such file or directory: unknown`,
      'exec-not-found',
    ],
    [`${RUNC}exec: "nopython": executable file not found in $PATH: unknown`, 'exec-not-found'],
    [`${RUNC}exec: "/etc": permission denied: unknown`, 'exec-not-found'],
  ])('%s', (text, code) => {
    expect(execFailure(text, 'python3')?.code).toBe(code);
  });
});

const FORWARDING =
  'error forwarding port 7999 to pod 64f0, uid : failed to execute portforward in network namespace "/run/netns/cni-c657": ';

describe('the error channel of a port-forward', () => {
  it.each([
    [
      `${FORWARDING}failed to connect to localhost:7999 inside namespace "64f0", IPv4: dial tcp4 127.0.0.1:7999: connect: connection refused IPv6 dial tcp6: address localhost: no suitable address found `,
      'port-refused',
    ],
    [`${FORWARDING}read tcp4 127.0.0.1:48316->127.0.0.1:7004: read: connection reset by peer`, 'port-reset'],
    ['error forwarding port 8000 to pod x, uid : failed to find sandbox "x" in store: not found', 'replica-gone'],
    ['error forwarding port 8000 to pod x, uid : sandbox container "x" is not running', 'replica-gone'],
    ['something else', 'port-failed'],
  ])('%s', (text, code) => {
    expect(portFailure(text, 'port 7999 of pod `web`')?.code).toBe(code);
  });

  it('that says nothing is no error', () => {
    expect(portFailure(' \n', 'port 1')).toBeNull();
  });
});
