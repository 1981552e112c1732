import { describe, expect, it } from 'vitest';
import { guard, guardQuestion, notAllowed } from '../../../src/targets/kubernetes-guard.ts';

const REMOTE = 'https://203.0.113.7:6443';

describe('which clusters may be entered', () => {
  it.each([
    ['kind-dev', REMOTE],
    ['minikube', 'https://192.168.49.2:8443'],
    ['k3d-shop', REMOTE],
    ['docker-desktop', REMOTE],
    ['rancher-desktop', REMOTE],
    ['colima', REMOTE],
    ['colima-work', REMOTE],
    ['orbstack', REMOTE],
    ['microk8s', REMOTE],
    ['anything', 'https://127.0.0.1:6443'],
    ['anything', 'https://127.1.2.3:6443'],
    ['anything', 'https://[::1]:6443'],
    ['anything', 'https://[::ffff:127.0.0.1]:6443'],
    ['anything', 'https://localhost:6443'],
    ['anything', 'https://LOCALHOST.:6443'],
    ['anything', 'https://0.0.0.0:6550'],
    ['anything', 'https://host.docker.internal:6443'],
    ['anything', 'https://kubernetes.docker.internal:6443'],
    ['reproduction', 'http://localhost:8001'],
  ])('%s at %s looks local', (context, server) => {
    const { allowed, reason } = guard(context, server, []);
    expect(reason).toMatch(/^local: /);
    expect(allowed).toBe(true);
  });

  it.each([
    ['prod', REMOTE],
    ['kind', REMOTE],
    ['kind-', REMOTE],
    ['my-kind-dev', REMOTE],
    ['minikube2', REMOTE],
    ['not-docker-desktop', REMOTE],
    // Private addresses say nothing.
    ['team', 'https://10.0.0.1:6443'],
    ['team', 'https://192.168.1.5:6443'],
    ['team', 'https://172.16.0.1'],
    ['team', 'https://127.0.0.1.example.com'],
    ['team', 'https://localhost.example.com'],
    ['team', 'https://user@evil.example.com/127.0.0.1'],
    ['team', 'nonsense'],
    // Tunnels end here and lead elsewhere.
    ['gke_shop_europe-west1_main', 'https://127.0.0.1:8443'],
    ['arn:aws:eks:eu-west-1:1234:cluster/shop', 'https://localhost:8443'],
    ['shop-prod', 'https://localhost:8443'],
    ['production', 'https://127.0.0.1:8443'],
  ])('%s at %s is refused', (context, server) => {
    const { allowed, reason } = guard(context, server, []);
    expect(reason).toMatch(/allowContexts does not name it/);
    expect(allowed).toBe(false);
  });

  it('behind a proxy, 127.0.0.1 is another machine', () => {
    expect(guard('default', 'https://127.0.0.1:6443', [], true)).toMatchObject({ allowed: false });
    expect(guard('kind-dev', 'https://127.0.0.1:6443', [], true)).toMatchObject({ allowed: true });
    expect(guard('default', 'https://127.0.0.1:6443', ['default'], true)).toMatchObject({ allowed: true });
  });

  it.each([
    ['staging', ['staging'], true],
    ['staging', ['other', 'staging'], true],
    ['staging-eu', ['staging-*'], true],
    ['staging-eu', ['staging-??'], true],
    ['staging-eu', ['staging'], false],
    ['staging', ['STAGING'], false],
    ['stagingX', ['staging.'], false],
    ['arn:aws:eks:eu-west-1:1234:cluster/dev', ['arn:aws:eks:*:1234:cluster/dev'], true],
    ['a+b(c)', ['a+b(c)'], true],
    ['anything', ['*'], true],
    ['anything', [''], false],
    ['anything', [], false],
  ])('%s with allowContexts %j: %s', (context, allowContexts, allowed) => {
    expect(guard(context, REMOTE, allowContexts).allowed).toBe(allowed);
  });

  it('says by what', () => {
    expect(guard('team', REMOTE, ['team']).reason).toBe('you allowed it');
    expect(guard('team', REMOTE, ['t*']).reason).toBe('you allowed it (`t*`)');
  });

  it('names the context, the server and the way out', () => {
    const place = { context: 'team', namespace: 'shop', server: REMOTE, guard: guard('team', REMOTE, []) };
    expect(guardQuestion(place)).toMatch(/`team`.*203\.0\.113\.7.*`shop`/);
    const error = notAllowed(place);
    expect(error).toMatchObject({ code: 'context-not-allowed', permanent: true });
    expect(error.message).toMatch(/`team`.*203\.0\.113\.7/);
    expect(error.fix).toMatch(/allowContexts: \['team'\]/);
  });
});
