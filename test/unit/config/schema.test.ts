import { describe, expect, test } from 'vitest';
import type { Config } from '../../../src/config/input.ts';
import { parseConfig } from '../../../src/config/schema.ts';
import { TARGET_DEFAULTS } from '../../../src/core/target-defaults.ts';
import type { NotifySettings, TargetConfig } from '../../../src/core/types.ts';
import { DebugwandError } from '../../../src/lib/errors.ts';

const PLACE = { file: '/p/debugwand.config.ts', root: '/p' };
const docker = { container: 'c' };
const NONE: NotifySettings = { reattached: false, crashed: false, blocked: false, paused: false };

function targets(config: Config): readonly TargetConfig[] {
  return parseConfig(config, PLACE).targets;
}

function problems(raw: unknown, file: string | null = PLACE.file): DebugwandError {
  try {
    parseConfig(raw, { file, root: '/p' });
  } catch (error) {
    if (error instanceof DebugwandError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('what a config says', () => {
  test('pods, with everything that may be said of them, and what comes from the top', () => {
    const [bare, full] = targets({
      lease: 5,
      whilePaused: { readiness: 'fail' },
      allowContexts: ['team-*'],
      targets: {
        bare: { kubernetes: { cronJob: 'nightly' } },
        full: {
          kubernetes: {
            selector: 'app=web,tier!=cache',
            namespace: 'shop',
            context: 'dev',
            kubeconfig: '../kc',
            container: 'app',
            replica: 'web-0',
            ephemeralContainers: 'allow',
          },
          process: { match: 'celery' },
          lease: 0,
          whilePaused: { probes: 'warn' },
          forward: ['8000:http', '9000', '5679:80'],
        },
      },
    });
    expect(bare).toMatchObject({
      // 5679 is taken by a forward.
      port: 5680,
      source: {
        kind: 'kubernetes',
        workload: { kind: 'cronjob', name: 'nightly' },
        replica: 'newest',
        ephemeralContainers: 'ask',
        allowContexts: ['team-*'],
      },
      process: 'auto',
      leaseSeconds: 5,
      whilePaused: { probes: 'answer', readiness: 'fail' },
      forward: [],
    });
    expect(full).toMatchObject({
      source: {
        kind: 'kubernetes',
        workload: { kind: 'selector', name: 'app=web,tier!=cache' },
        namespace: 'shop',
        context: 'dev',
        kubeconfig: '/kc',
        container: 'app',
        replica: { pod: 'web-0' },
        ephemeralContainers: 'allow',
        allowContexts: ['team-*'],
      },
      process: { match: 'celery' },
      leaseSeconds: 0,
      whilePaused: { probes: 'warn', readiness: 'fail' },
      forward: [
        { localPort: 8000, remotePort: 'http' },
        { localPort: 9000, remotePort: 9000 },
        { localPort: 5679, remotePort: 80 },
      ],
    });
  });

  test('defaults, and everything that a target may say', () => {
    const [bare, full] = targets({
      targets: {
        bare: { docker },
        full: {
          docker: { compose: { project: 'shop', service: 'web' }, host: 'unix:///x' },
          port: 7000,
          process: { match: 'worker' },
          pathMappings: [
            { local: '.', remote: '/app/' },
            { local: '../lib', remote: '/opt//lib' },
            { local: '/x', remote: 'C:\\x\\' },
            { local: 'all', remote: '/' },
          ],
          holdAtStart: true,
          terminateOnDisconnect: true,
          notify: false,
        },
      },
    });
    expect(bare).toEqual({
      name: 'bare',
      port: 5679,
      source: { kind: 'docker', container: 'c' },
      pathMappings: [],
      process: 'auto',
      holdAtStart: false,
      terminateOnDisconnect: false,
      notify: { reattached: true, crashed: true, blocked: true, paused: true },
      leaseSeconds: 60,
      workers: 'all',
      maxWorkers: 8,
      stopAll: false,
      whilePaused: { probes: 'answer', readiness: 'answer' },
      forward: [],
    });
    expect(full).toEqual({
      name: 'full',
      port: 7000,
      source: { kind: 'docker', compose: { project: 'shop', service: 'web' }, host: 'unix:///x' },
      pathMappings: [
        { local: '/p', remote: '/app' },
        { local: '/lib', remote: '/opt/lib' },
        { local: '/x', remote: 'C:\\x' },
        { local: '/p/all', remote: '/' },
      ],
      process: { match: 'worker' },
      holdAtStart: true,
      terminateOnDisconnect: true,
      notify: NONE,
      leaseSeconds: 60,
      workers: 'all',
      maxWorkers: 8,
      stopAll: false,
      whilePaused: { probes: 'answer', readiness: 'answer' },
      forward: [],
    });
  });

  test('sources of this machine', () => {
    const found = targets({
      targets: {
        a: { command: ['python', 'app.py'] },
        b: { command: ['x'], cwd: 'sub', process: { pid: 7 } },
        c: { process: { match: 'celery.*worker' } },
        d: { process: { pid: 4242 } },
      },
    });
    expect(found.map(({ source, process }) => ({ source, process }))).toEqual([
      { source: { kind: 'local', command: ['python', 'app.py'], cwd: '/p' }, process: 'auto' },
      { source: { kind: 'local', command: ['x'], cwd: '/p/sub' }, process: { pid: 7 } },
      { source: { kind: 'local', match: 'celery.*worker' }, process: 'auto' },
      { source: { kind: 'local', pid: 4242 }, process: 'auto' },
    ]);
  });

  test('settings for all targets reach each of them, its own come first', () => {
    const found = targets({
      targets: { a: { docker }, b: { docker, process: 'auto', notify: true }, c: { process: { pid: 1 } } },
      process: { match: 'm' },
      notify: false,
      holdAtStart: true,
    });
    expect(found.map(({ process, notify, holdAtStart }) => [process, notify, holdAtStart])).toEqual([
      [{ match: 'm' }, NONE, true],
      ['auto', TARGET_DEFAULTS.notify, true],
      ['auto', NONE, true],
    ]);
  });

  test('kinds of notifications: those that are named, the others as for all targets', () => {
    type Notify = NonNullable<Config['notify']>;
    const of = (all: Notify, own?: Notify): NotifySettings | undefined =>
      targets({ targets: { a: own === undefined ? { docker } : { docker, notify: own } }, notify: all })[0]?.notify;
    const ALL = TARGET_DEFAULTS.notify;
    expect(of(true, { reattached: false })).toEqual({ ...ALL, reattached: false });
    expect(of(false, { blocked: true })).toEqual({ ...NONE, blocked: true });
    expect(of({ paused: false, crashed: false }, { crashed: true })).toEqual({ ...ALL, paused: false });
    expect(of({ paused: false })).toEqual({ ...ALL, paused: false });
    expect(of({ paused: false }, true)).toEqual(ALL);
  });

  test('ports: the named ones, and the next free numbers for the others, always the same', () => {
    const config: Config = {
      targets: { a: { docker }, b: { docker, port: 5680 }, c: { docker }, d: { docker, port: 5679 }, e: { docker } },
    };
    expect(targets(config).map(({ port }) => port)).toEqual([5681, 5680, 5682, 5679, 5683]);
    expect(targets(config)).toEqual(targets(config));
  });
});

describe('what is wrong with a config', () => {
  const one = (target: unknown): unknown => ({ targets: { web: target } });
  const cases: readonly (readonly [raw: unknown, line: string])[] = [
    [
      one({ docker, pathMapping: [] }),
      'targets.web.pathMapping: no such setting (found the list []) → did you mean `pathMappings`? Allowed: docker, kubernetes, command,',
    ],
    [one({ docker, hold_at_start: true }), 'did you mean `holdAtStart`?'],
    [one({ docker, zebra: 1 }), 'targets.web.zebra: no such setting (found the number 1). Allowed: docker,'],
    [
      one({ dokcer: docker }),
      'targets.web.dokcer: no such setting (found the object {"container":"c"}) → did you mean `docker`?',
    ],
    [
      one({ docker: { contaner: 'x' } }),
      'targets.web.docker.contaner: no such setting (found the string "x") → did you mean `container`? Allowed: container, compose, replica, host',
    ],
    [one({ docker: 'api' }), 'targets.web.docker: found the string "api". Allowed: { container: '],
    [
      one({ docker: { container: 'x', replica: 'all' } }),
      "targets.web.docker.replica: 'all' does not go with `container`, which is one replica",
    ],
    [
      one({ docker: { compose: { project: 'x', service: 'y' }, replica: 'x-y-1' } }),
      "targets.web.docker.replica: found the string \"x-y-1\". Allowed: 'newest' or 'all'",
    ],
    [
      one({ kubernetes: { pod: 'x', replica: 'all' } }),
      "targets.web.kubernetes.replica: 'all' does not go with `pod`, which is one replica",
    ],
    [one({ docker: {} }), 'targets.web.docker: must have one of `container` and `compose`'],
    [
      one({ docker: { compose: { project: 'x' } } }),
      'targets.web.docker.compose.service: is missing. Allowed: a string',
    ],
    [one({ docker: { container: '' } }), 'targets.web.docker.container: must not be empty'],
    [
      one({ docker, port: '5679' }),
      'targets.web.port: found the string "5679". Allowed: a port: a whole number from 1 to 65535',
    ],
    [one({ docker, port: 65536 }), 'targets.web.port: found the number 65536.'],
    [one({ docker, port: 1.5 }), 'targets.web.port: found the number 1.5.'],
    [one({ docker, notify: 'yes' }), 'targets.web.notify: found the string "yes". Allowed: true, false, or an object'],
    [one({ docker, notify: { crahsed: true } }), 'targets.web.notify.crahsed'],
    [one({ docker, notify: { crashed: 1 } }), 'targets.web.notify.crashed: found the number 1. Allowed: true or false'],
    [
      one({ docker, process: 'gunicorn' }),
      'targets.web.process: found the string "gunicorn". Allowed: \'auto\', { match:',
    ],
    [
      one({ docker, process: { matches: 'x' } }),
      'targets.web.process.matches: no such setting (found the string "x") → did you mean `match`? Allowed: match, pid',
    ],
    [
      one({ docker, process: { match: '(' } }),
      'targets.web.process.match: is not a valid regular expression (found the string "(")',
    ],
    [one({ docker, process: { match: 'x', pid: 1 } }), 'targets.web.process: must have one of `match` and `pid`'],
    [one({ docker, process: { pid: 0 } }), 'targets.web.process.pid: found the number 0.'],
    [
      one({ command: 'uvicorn app:app' }),
      'targets.web.command: found the string "uvicorn app:app". Allowed: a list of strings:',
    ],
    [one({ command: [] }), 'targets.web.command: must name a program'],
    [one({ command: ['x', 1] }), 'targets.web.command[1]: found the number 1. Allowed: a string'],
    [one({ docker, command: ['x'] }), 'targets.web: has both `docker` and `command`'],
    [one({}), "targets.web: does not say what to debug. Allowed: docker: { container: 'name' },"],
    [one({ process: 'auto' }), 'targets.web: does not say what to debug.'],
    [one({ docker, cwd: '.' }), 'targets.web.cwd: goes with `command` only'],
    [
      one({ docker, pathMappings: [{ local: '.', remote: 'app' }] }),
      'targets.web.pathMappings[0].remote: must be an absolute path inside the target (found the string "app")',
    ],
    [
      one({ docker, pathMappings: { local: '.', remote: '/app' } }),
      'targets.web.pathMappings: found the object {"local":".","remote":"/app"}. Allowed: a list:',
    ],
    [
      one({ kubernetes: {} }),
      'targets.web.kubernetes: must have one of `service`, `deployment`, `statefulset`, `daemonset`, `job`, `cronJob`, `pod`, `selector`, `knative`',
    ],
    [one({ kubernetes: { service: 'x', pod: 'y' } }), 'targets.web.kubernetes: must have one of `service`, '],
    [
      one({ kubernetes: { servcie: 'x' } }),
      'targets.web.kubernetes.servcie: no such setting (found the string "x") → did you mean `service`?',
    ],
    [one({ kubernetes: { service: '' } }), 'targets.web.kubernetes.service: must not be empty'],
    [
      one({ kubernetes: { service: 'x', namespace: 'A b' } }),
      'targets.web.kubernetes.namespace: is no name of a namespace (found the string "A b")',
    ],
    [
      one({ kubernetes: { service: 'x', ephemeralContainers: true } }),
      "targets.web.kubernetes.ephemeralContainers: found true. Allowed: 'ask', 'allow' or 'never'",
    ],
    [
      one({ kubernetes: 'web' }),
      "targets.web.kubernetes: found the string \"web\". Allowed: { service: 'web', namespace: 'shop' }",
    ],
    [
      one({ kubernetes: { service: 'x' }, docker }),
      'targets.web: has both `docker` and `kubernetes`: make two targets of it',
    ],
    [one({ kubernetes: { service: 'x' }, cwd: '.' }), 'targets.web.cwd: goes with `command` only'],
    [one({ docker, forward: ['80:http:x'] }), 'targets.web.forward[0]: is no forward: '],
    [one({ docker, forward: ['0'] }), 'targets.web.forward[0]: is no forward: '],
    [one({ docker, forward: ['http'] }), 'targets.web.forward[0]: is no forward: '],
    [one({ docker, forward: '80' }), 'targets.web.forward: found the string "80". Allowed: a list: '],
    [one({ command: ['x'], forward: ['80'] }), 'targets.web.forward: goes with `docker` and `kubernetes` only'],
    [one({ docker, port: 8000, forward: ['8000:80'] }), 'targets.web.forward[0]: 8000 is the port of `web` already'],
    [one({ docker, forward: ['8000:80', '8000:81'] }), 'targets.web.forward[1]: 8000 is a forward of `web` already'],
    [one({ docker, lease: -1 }), 'targets.web.lease: found the number -1. Allowed: seconds: a number from 0 to 3600'],
    [one({ docker, lease: '60' }), 'targets.web.lease: found the string "60". Allowed: seconds: '],
    [
      one({ docker, whilePaused: { probes: 'fail' } }),
      "targets.web.whilePaused.probes: found the string \"fail\". Allowed: 'answer' or 'warn'",
    ],
    [
      one({ docker, whilePaused: { probe: 'warn' } }),
      'targets.web.whilePaused.probe: no such setting (found the string "warn") → did you mean `probes`?',
    ],
    [
      { targets: { a: { docker } }, allowContexts: 'x' },
      'allowContexts: found the string "x". Allowed: a list of contexts: ',
    ],
    [
      { targets: { a: { docker } }, allowContext: ['x'] },
      'allowContext: no such setting (found the list ["x"]) → did you mean `allowContexts`?',
    ],
    [one(null), 'targets.web: found null. Allowed: a target:'],
    [{ targets: { 'my app': { docker } } }, 'targets."my app": must be letters, digits, `-`, `_` and `.`'],
    [{ targets: { a: { docker, port: 1 }, b: { docker, port: 1 } } }, 'targets.b.port: 1 is the port of `a` already'],
    [{ targets: {} }, 'targets: must have one target at least'],
    [{ target: {} }, 'target: no such setting (found the object {}) → did you mean `targets`?'],
    [{}, 'targets: is missing.'],
    [null, 'the config: found null.'],
    ['x', 'the config: found the string "x".'],
    [[], 'the config: found the list [].'],
  ];
  test.each(cases)('%j', (raw, line) => {
    const error = problems(raw);
    expect(error.code).toBe('config-invalid');
    expect(error.message).toContain(`/p/debugwand.config.ts has `);
    expect(error.message).toContain(`  ${line.startsWith('did') ? '' : line}`);
    expect(error.message).toContain(line);
    expect(error.fix).toContain('/p/debugwand.config.ts');
  });

  test('a fault has one line, not a second one for what follows from it', () => {
    for (const [raw] of cases.filter(([, line]) => !line.startsWith('target: '))) {
      expect(problems(raw).message.split('\n')).toHaveLength(2);
    }
  });

  test('all problems at once, of the shape and beyond it', () => {
    const error = problems({
      targets: { a: { docker, port: 1 }, b: { docker, port: 1, nofity: true }, c: {}, d: 7 },
      notify: 0,
    });
    expect(error.message.split('\n').map((line) => line.split(': ')[0])).toEqual([
      '/p/debugwand.config.ts has 5 problems:',
      '  targets.b.nofity',
      '  targets.d',
      '  notify',
      '  targets.c',
      '  targets.b.port',
    ]);
  });

  test('settings of the command line are called that', () => {
    expect(problems({ targets: { a: { docker: {} } } }, null).message).toContain('the command line has a problem:');
  });

  test('values that JSON cannot say, and long ones', () => {
    const round: unknown[] = [];
    round.push(round);
    expect(problems(one({ docker: round })).message).toContain('found the list …');
    expect(problems(one({ docker: 'x'.repeat(500) })).message.length).toBeLessThan(300);
    expect(problems(one({ docker: 10n })).message).toContain('found the number 10');
  });
});
