import { describe, expect, it } from 'vitest';
import { DebugwandError } from '../../../src/lib/errors.ts';
import { execFailure, explainDocker } from '../../../src/targets/docker-errors.ts';

const CONTEXT = { endpoint: 'unix:///s', container: 'api' };
const http = (statusCode: number, message: string): Error =>
  Object.assign(new Error('e'), { statusCode, json: { message } });
const os = (code: string): Error => Object.assign(new Error(`connect ${code} /s`), { code });

describe('what an engine refuses', () => {
  it.each([
    [os('EACCES'), 'docker-denied', /no permission/],
    [os('ECONNREFUSED'), 'docker-unreachable', /does not answer/],
    [os('ENOENT'), 'docker-unreachable', /does not answer/],
    [new Error('socket hang up'), 'docker-unreachable', /socket hang up/],
    [new Error('the container engine timed out'), 'docker-unreachable', /timed out/],
    [http(404, 'No such container: api'), 'replica-gone', /`api` does not exist any more/],
    [http(409, 'Container abc is not running'), 'replica-gone', /`api` does not run/],
    [http(409, 'Container abc is paused, unpause the container before exec'), 'replica-paused', /`api` is paused/],
    [
      http(500, 'can only create exec sessions on running containers: container state improper'),
      'replica-gone',
      /does not run/,
    ],
    [http(409, 'cannot create exec session as container abc is paused'), 'replica-paused', /is paused/],
    [http(403, 'denied by policy'), 'docker-denied', /denied by policy/],
    [http(500, 'disk full'), 'docker-failed', /answered 500: disk full/],
    [new Error('odd'), 'docker-failed', /odd/],
  ])('%s', (error, code, words) => {
    const explained = explainDocker(error, CONTEXT);
    expect(explained.code).toBe(code);
    expect(explained.message).toMatch(words);
    expect(explained.fix).not.toBe('');
  });

  it('leaves what has a name', () => {
    const own = new DebugwandError({ code: 'mine', message: 'm', fix: 'f' });
    expect(explainDocker(own, CONTEXT)).toBe(own);
  });
});

describe('a program that could not be started', () => {
  const runc = (what: string): string =>
    `OCI runtime exec failed: exec failed: unable to start container process: ${what}: unknown\r\n`;
  it.each([
    [
      'Docker, not there',
      126,
      runc('exec: "/nope": stat /nope: no such file or directory'),
      'exec-not-found',
      /no such file or directory$/,
    ],
    [
      'Docker, not in PATH',
      127,
      runc('exec: "nope": executable file not found in $PATH'),
      'exec-not-found',
      /executable file not found/,
    ],
    ['Docker, no program', 126, runc('exec: "/etc": permission denied'), 'exec-not-found', /permission denied/],
    [
      'Podman with runc',
      127,
      'Error: runc: exec failed: unable to start container process: exec: "/nope": stat /nope: no such file or directory: OCI runtime attempted to invoke a command that was not found\nError: read unixpacket',
      'exec-not-found',
      /no such file/,
    ],
    [
      'Podman with crun',
      127,
      'Error: crun: executable file `nope` not found in $PATH: No such file or directory: OCI runtime attempted to invoke a command that was not found',
      'exec-not-found',
      /not found|No such file/,
    ],
    [
      'a user that is none',
      126,
      runc('unable to find user nobody7: no matching entries in passwd file'),
      'exec-denied',
      /as that user/,
    ],
    ['something else', 126, runc('error loading seccomp filter'), 'exec-failed', /seccomp/],
  ])('%s', (_name, exit, text, code, words) => {
    const failure = execFailure(exit, text, 'python9');
    expect(failure?.code).toBe(code);
    expect(failure?.message).toMatch(words);
  });

  it.each([
    ['the program’s own exit code', 127, 'sh: nope: not found'],
    ['another exit code', 1, runc('exec: "/nope": no such file or directory')],
    ['an unknown exit code', null, ''],
  ])('not %s', (_name, exit, text) => {
    expect(execFailure(exit, text, 'p')).toBeNull();
  });
});
