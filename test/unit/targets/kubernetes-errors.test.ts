import { describe, expect, it } from 'vitest';
import { DebugwandError } from '../../../src/lib/errors.ts';
import { KubernetesFailure } from '../../../src/targets/kubernetes-api.ts';
import { execFailure, explainKubernetes } from '../../../src/targets/kubernetes-errors.ts';

const PLACE = {
  context: 'kind-dev',
  namespace: 'shop',
  server: 'https://127.0.0.1:6443',
  guard: { allowed: true, reason: 'local' },
};
const answer = (status: number, reason: string, message: string): KubernetesFailure =>
  new KubernetesFailure(status, reason, message);
const wire = (code: string, message = `connect ${code}`): Error => Object.assign(new Error(message), { code });
const forbidden =
  'pods is forbidden: User "system:serviceaccount:shop:dev" cannot list resource "pods" in API group "" in the namespace "shop"';
const noExec =
  'pods "web-1" is forbidden: User "jane" cannot create resource "pods/exec" in API group "" in the namespace "shop"';
const noSets =
  'replicasets.apps is forbidden: User "jane" cannot watch resource "replicasets" in API group "apps" in the namespace "shop": RBAC: role "x" not found';
const clusterWide = 'nodes is forbidden: User "jane" cannot list resource "nodes" in API group "" at the cluster scope';
const podSecurity =
  'pods "web-1" is forbidden: violates PodSecurity "baseline:latest": non-default capabilities (container "x" must not include "SYS_PTRACE" in securityContext.capabilities.add)';

describe('what a cluster refuses', () => {
  it.each([
    [wire('ECONNREFUSED'), 'kubernetes-unreachable', /127\.0\.0\.1:6443 \(context `kind-dev`\) does not answer/],
    [new AggregateError([wire('ECONNREFUSED', 'connect ::1')], ''), 'kubernetes-unreachable', /connect ::1/],
    [wire('ENOTFOUND'), 'kubernetes-unreachable', /ENOTFOUND/],
    [wire('ETIMEDOUT', 'no answer within 15 s'), 'kubernetes-unreachable', /15 s/],
    [wire('EPROTO', 'wrong version number'), 'kubernetes-unreachable', /wrong version number/],
    [new Error('socket hang up'), 'kubernetes-unreachable', /socket hang up/],
    [wire('DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed certificate'), 'kubernetes-certificate', /self-signed/],
    [wire('CERT_HAS_EXPIRED', 'certificate has expired'), 'kubernetes-certificate', /expired/],
    [wire('ERR_TLS_CERT_ALTNAME_INVALID', 'Host: x'), 'kubernetes-certificate', /Host: x/],
    [answer(401, 'Unauthorized', 'Unauthorized'), 'kubernetes-unauthorized', /does not accept the credentials/],
    [answer(403, 'Forbidden', forbidden), 'kubernetes-forbidden', /`system:serviceaccount:shop:dev` may not list pods/],
    [answer(403, 'Forbidden', noExec), 'kubernetes-forbidden', /may not create pods\/exec in the namespace `shop`/],
    [answer(403, 'Forbidden', noSets), 'kubernetes-forbidden', /may not watch replicasets\.apps/],
    [answer(403, 'Forbidden', clusterWide), 'kubernetes-forbidden', /may not list nodes/],
    [answer(403, '', 'denied by the gateway'), 'kubernetes-forbidden', /denied by the gateway/],
    [answer(403, 'Forbidden', podSecurity), 'exec-denied', /PodSecurity `baseline:latest`/],
    [
      answer(400, 'BadRequest', 'admission webhook "no.exec.io" denied the request: no'),
      'exec-denied',
      /`no\.exec\.io`/,
    ],
    [answer(404, 'NotFound', 'namespaces "shpo" not found'), 'namespace-not-found', /`shpo`/],
    [answer(404, 'NotFound', 'pods "web-1" not found'), 'replica-gone', /`web-1\/app` does not run any more/],
    [answer(400, 'BadRequest', 'container not found ("app")'), 'replica-gone', /container not found/],
    [answer(500, 'InternalError', 'container not found ("app")'), 'replica-gone', /container not found/],
    [
      answer(500, 'InternalError', 'cannot exec into a container in a completed pod; current phase is Succeeded'),
      'replica-gone',
      /completed pod/,
    ],
    [answer(429, 'TooManyRequests', 'slow down'), 'kubernetes-unreachable', /cannot answer just now \(429\)/],
    [answer(503, 'ServiceUnavailable', 'shutting down'), 'kubernetes-unreachable', /503/],
    [answer(500, 'InternalError', 'etcd'), 'kubernetes-failed', /answered 500 InternalError: etcd/],
    [new Error('odd'), 'kubernetes-failed', /odd/],
  ])('%s: %s', (error, code, words) => {
    const explained = explainKubernetes(error, { place: PLACE, replica: 'web-1/app' });
    expect(explained.code).toBe(code);
    expect(explained.message).toMatch(words);
    expect(explained.fix).not.toBe('');
  });

  it('says which rule to add', () => {
    const fix = (message: string): string => explainKubernetes(answer(403, 'Forbidden', message), { place: PLACE }).fix;
    expect(fix(forbidden)).toContain('{ apiGroups: [""], resources: ["pods"], verbs: ["list"] }');
    expect(fix(noExec)).toContain('{ apiGroups: [""], resources: ["pods/exec"], verbs: ["create"] }');
    expect(fix(noSets)).toContain('{ apiGroups: ["apps"], resources: ["replicasets"], verbs: ["watch"] }');
  });

  it('is known without a replica and without a place', () => {
    expect(explainKubernetes(answer(404, 'NotFound', 'x'), { place: null }).code).toBe('kubernetes-not-found');
    expect(explainKubernetes(wire('ECONNRESET'), { place: null }).message).toMatch(/^the API server does not answer/);
  });

  it('leaves what has a name', () => {
    const own = new DebugwandError({ code: 'mine', message: 'm', fix: 'f' });
    expect(explainKubernetes(own, { place: PLACE })).toBe(own);
  });
});

describe('a program that could not be started', () => {
  const containerd =
    'Internal error occurred: error executing command in container: failed to exec in container: failed to start exec "a1": OCI runtime exec failed: exec failed: unable to start container process: exec: "python9": ';
  it.each([
    [`${containerd}executable file not found in $PATH`, 'exec-not-found', /executable file not found in \$PATH/],
    [`${containerd}stat /x/python: no such file or directory`, 'exec-not-found', /no such file or directory/],
    [`${containerd}permission denied`, 'exec-not-found', /permission denied/],
    ["executable file `python9' not found in $PATH: crun: No such file or directory", 'exec-not-found', /python9/],
    [
      'command terminated: OCI runtime exec failed: runc did not terminate successfully: exit status 1',
      'exec-failed',
      /runc did not/,
    ],
    ['failed to exec: unable to find user nobody: no matching entries in passwd file', 'exec-denied', /nobody/],
  ])('%s', (text, code, words) => {
    const error = execFailure(text, 'python9');
    expect(error?.code).toBe(code);
    expect(error?.message).toMatch(words);
  });

  it.each(['', 'container not found ("app")', 'Unauthorized', 'open /data/x: no such file or directory'])(
    '%j is another matter',
    (text) => {
      expect(execFailure(text, 'python')).toBeNull();
    },
  );
});
