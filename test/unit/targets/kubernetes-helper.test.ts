import { describe, expect, it } from 'vitest';
import { KubernetesFailure } from '../../../src/targets/kubernetes-api.ts';
import {
  helperDenied,
  helperFailed,
  helperPatch,
  helpersOf,
  notAllowed,
  targetOf,
} from '../../../src/targets/kubernetes-helper-facts.ts';
import { kubernetesInterpreters } from '../../../src/targets/kubernetes-interpreters.ts';

const PLACE = { namespace: 'shop', pod: 'web-1', container: 'app' };

function podWith(state: object | undefined, name = 'debugwand-1', target = 'app'): object {
  return {
    spec: {
      containers: [{ name: 'app', image: 'web:1', imagePullPolicy: 'Always' }],
      ephemeralContainers: [{ name, targetContainerName: target }],
    },
    status: { ephemeralContainerStatuses: state === undefined ? [] : [{ name, state }] },
  };
}

describe('helpers of a pod', () => {
  it.each<[string, object | undefined, object]>([
    ['running', { running: { startedAt: 't' } }, { is: 'running' }],
    ['not spoken of yet', undefined, { is: 'starting' }],
    ['being created', { waiting: { reason: 'ContainerCreating' } }, { is: 'starting' }],
    ['no image', { waiting: { reason: 'ErrImageNeverPull', message: 'm' } }, { is: 'refused', message: 'm' }],
    ['root forbidden', { waiting: { reason: 'CreateContainerConfigError' } }, { is: 'refused' }],
    ['not started', { terminated: { reason: 'StartError', exitCode: 128 } }, { is: 'ended', exitCode: 128 }],
  ])('%s', (_name, state, expected) => {
    expect(helpersOf(podWith(state), 'app')).toMatchObject([{ name: 'debugwand-1', state: expected }]);
  });

  it('are ours, and for that container', () => {
    const running = { running: {} };
    expect(helpersOf(podWith(running, 'debugger-x'), 'app')).toEqual([]);
    expect(helpersOf(podWith(running, 'debugwand-1', 'sidecar'), 'app')).toEqual([]);
    expect(helpersOf({}, 'app')).toEqual([]);
  });
});

describe('a helper to be', () => {
  it('is of the image that the node has, in the target’s PID namespace, as root that may trace', () => {
    const patch = helperPatch(targetOf(podWith(undefined), PLACE), 'debugwand-2', '/usr/bin/python3');
    expect(patch).toMatchObject({
      spec: {
        ephemeralContainers: [
          {
            name: 'debugwand-2',
            image: 'web:1',
            imagePullPolicy: 'IfNotPresent',
            targetContainerName: 'app',
            command: ['/usr/bin/python3', '-I', '-S', '-c', expect.stringContaining('debugwand')],
            securityContext: { runAsUser: 0, runAsNonRoot: false, capabilities: { add: ['SYS_PTRACE'] } },
          },
        ],
      },
    });
  });

  it('has no container beside it: gone', () => {
    expect(() => targetOf(podWith(undefined), { ...PLACE, container: 'other' })).toThrow(/no container `other`/);
  });
});

describe('who refuses a helper', () => {
  it.each<[string, number, string, RegExp | null]>([
    [
      'PodSecurity',
      403,
      'pods "web-1" is forbidden: violates PodSecurity "baseline:latest": non-default capabilities (container "debugwand-1" must not include "SYS_PTRACE" in securityContext.capabilities.add)',
      /securityContext\.runAsUser.*pod-security\.kubernetes\.io\/enforce: privileged/,
    ],
    [
      'a policy',
      422,
      "pods \"web-1\" is forbidden: ValidatingAdmissionPolicy 'no-debug' with binding 'no-debug' denied request: no",
      /ask who runs the cluster/,
    ],
    ['RBAC', 403, 'pods "web-1" is forbidden: User "u" cannot patch resource "pods/ephemeralcontainers"', null],
    ['nobody: the pod is gone', 404, 'pods "web-1" not found', null],
    ['the credentials', 401, 'Unauthorized', null],
    ['a server in trouble', 503, 'etcdserver: request timed out', null],
  ])('%s', (_name, status, message, fix) => {
    const error = helperDenied(PLACE, new KubernetesFailure(status, '', message));
    if (fix === null) expect(error).toBeNull();
    else
      expect(error).toMatchObject({
        code: 'helper-denied',
        permanent: true,
        fix: expect.stringMatching(fix) as unknown,
      });
  });

  it.each([
    ['ask', /ephemeralContainers: 'allow'/],
    ['never', /ephemeralContainers: 'allow'/],
  ] as const)('the user, by `%s`', (mode, fix) => {
    expect(notAllowed(PLACE, mode)).toMatchObject({
      code: 'helper-denied',
      fix: expect.stringMatching(fix) as unknown,
    });
  });

  it.each([
    ['CreateContainerConfigError', 'container has runAsNonRoot and image will run as root', /runAsNonRoot/],
    ['ErrImageNeverPull', 'Container image "x" is not present with pull policy of Never', /imagePullPolicy/],
    ['StartError', 'exec: "python3": not found', /kubectl describe pod web-1/],
  ])('the kubelet, by %s', (reason, message, fix) => {
    const error = helperFailed(PLACE, { is: 'refused', reason, message });
    expect(error.message).toContain(message);
    expect(error.fix).toMatch(fix);
  });
});

describe('interpreters of a container', () => {
  const FACTS = { command: [], env: {}, workingDir: '', sharesProcesses: false };
  const first = (facts: Partial<Parameters<typeof kubernetesInterpreters>[0]>, proven: string | null = null) =>
    kubernetesInterpreters({ ...FACTS, ...facts }, proven).slice(0, 3);

  it.each([
    ['nothing is known', first({}), ['python3', 'python', 'python3.14']],
    ['one ran before', first({}, '/opt/py'), ['/opt/py', 'python3', 'python']],
    [
      'the manifest runs one',
      first({ command: ['/venv/bin/python3', 'app.py'] }),
      ['/venv/bin/python3', 'python3', 'python'],
    ],
    [
      'the manifest runs a script beside one',
      first({ command: ['/venv/bin/uvicorn'] }),
      ['/venv/bin/python', 'python3', 'python'],
    ],
    ['the manifest runs a shell', first({ command: ['/bin/sh', '-c', 'x'] }), ['python3', 'python', 'python3.14']],
    ['a virtual environment', first({ env: { VIRTUAL_ENV: '/v' } }), ['python3', 'python', '/v/bin/python']],
    ['a PATH worth nothing', first({ env: { PATH: '' } }), ['python3.14', 'python3.15', '/usr/local/bin/python3']],
    ['a folder of work', first({ workingDir: '/srv' }), ['python3', 'python', '/srv/.venv/bin/python']],
  ])('%s', (_name, candidates, expected) => {
    expect(candidates).toEqual(expected);
  });

  it('end with process 1, if it is the container’s', () => {
    expect(kubernetesInterpreters(FACTS, null).at(-1)).toBe('/proc/1/exe');
    expect(kubernetesInterpreters({ ...FACTS, sharesProcesses: true }, null)).not.toContain('/proc/1/exe');
  });
});
