import { describe, expect, it } from 'vitest';
import { DebugwandError } from '../../../src/lib/errors.ts';
import {
  currentContextName,
  describeEndpoint,
  endpointCandidates,
  knownSockets,
  parseContextMeta,
  parseHost,
  type EndpointFacts,
} from '../../../src/targets/docker-endpoint.ts';

const NOTHING: EndpointFacts = { explicit: null, env: {}, context: null, home: '/h', uid: 1000, platform: 'linux' };
const CONTEXT = { name: 'colima', host: 'unix:///h/.colima/default/docker.sock', skipTlsVerify: false, tlsDir: null };
const found = (facts: Partial<EndpointFacts>): string[] =>
  endpointCandidates({ ...NOTHING, ...facts }).map(
    ({ endpoint, origin }) => `${origin}: ${describeEndpoint(endpoint)}`,
  );

describe('who is asked, in which order', () => {
  const everything = {
    explicit: 'unix:///explicit.sock',
    env: { DOCKER_HOST: 'unix:///env.sock', CONTAINER_HOST: 'unix:///podman.sock' },
    context: CONTEXT,
  };
  it.each([
    ['the config before all', everything, ['the config: unix:///explicit.sock']],
    ['then DOCKER_HOST', { ...everything, explicit: null }, ['DOCKER_HOST: unix:///env.sock']],
    [
      'then the current context',
      { ...everything, explicit: null, env: { CONTAINER_HOST: 'unix:///podman.sock' } },
      ['Docker context `colima`: unix:///h/.colima/default/docker.sock'],
    ],
    [
      'then CONTAINER_HOST',
      { env: { CONTAINER_HOST: 'unix:///podman.sock' } },
      ['CONTAINER_HOST: unix:///podman.sock'],
    ],
    [
      'empty variables are none',
      { env: { DOCKER_HOST: '', CONTAINER_HOST: '' }, context: CONTEXT },
      ['Docker context `colima`: unix:///h/.colima/default/docker.sock'],
    ],
  ])('%s', (_name, facts, expected) => {
    expect(found(facts)).toEqual(expected);
  });

  it('tries known sockets when nobody said anything, Docker’s first and Podman’s last', () => {
    const known = found({ env: { XDG_RUNTIME_DIR: '/run/user/7' } });
    expect(known[0]).toBe('Docker: unix:///var/run/docker.sock');
    expect(known).toContain('Docker (rootless): unix:///run/user/7/docker.sock');
    expect(known).toContain('OrbStack: unix:///h/.orbstack/run/docker.sock');
    expect(known).toContain('Rancher Desktop: unix:///h/.rd/docker.sock');
    expect(known.indexOf('Podman (rootless): unix:///run/user/7/podman/podman.sock')).toBeGreaterThan(
      known.indexOf('colima: unix:///h/.colima/default/docker.sock'),
    );
    expect(new Set(known).size).toBe(known.length);
  });

  it.each([
    ['a user without XDG_RUNTIME_DIR', { uid: 1000 }, true],
    ['root has no rootless engine', { uid: 0 }, false],
  ])('%s', (_name, facts, rootless) => {
    const paths = knownSockets({ ...NOTHING, ...facts }).map(({ origin }) => origin);
    expect(paths.includes('Docker (rootless)')).toBe(rootless);
  });

  it('knows the pipes of Windows', () => {
    expect(found({ platform: 'win32' })).toContain('Docker: npipe:////./pipe/docker_engine');
  });

  it('does not hide a context that cannot be read', () => {
    const error = new DebugwandError({ code: 'docker-host-invalid', message: 'm', fix: 'f' });
    expect(() => found({ context: error })).toThrow(error);
    // Unless it does not matter.
    expect(found({ context: error, explicit: '/x.sock' })).toEqual(['the config: unix:///x.sock']);
  });

  it('takes TLS of a context from its folder', () => {
    const context = { name: 'far', host: 'tcp://far:2376', skipTlsVerify: true, tlsDir: '/tls' };
    expect(endpointCandidates({ ...NOTHING, context })[0]?.endpoint).toEqual({
      kind: 'tcp',
      host: 'far',
      port: 2376,
      tls: { ca: '/tls/ca.pem', cert: '/tls/cert.pem', key: '/tls/key.pem', verify: false },
    });
  });

  it.each([
    [{}, null],
    [{ DOCKER_TLS_VERIFY: '1' }, { ca: null, cert: null, key: null, verify: true }],
    [
      { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: '/c' },
      { ca: '/c/ca.pem', cert: '/c/cert.pem', key: '/c/key.pem', verify: true },
    ],
    [
      { DOCKER_TLS: '1', DOCKER_CERT_PATH: '/c' },
      { ca: '/c/ca.pem', cert: '/c/cert.pem', key: '/c/key.pem', verify: false },
    ],
    [{ DOCKER_CERT_PATH: '/c' }, null],
  ])('takes TLS of DOCKER_HOST from %j', (env, tls) => {
    const [candidate] = endpointCandidates({ ...NOTHING, env: { DOCKER_HOST: 'tcp://far:1234', ...env } });
    expect(candidate?.endpoint).toEqual({ kind: 'tcp', host: 'far', port: 1234, tls });
  });
});

describe('addresses', () => {
  const secure = { ca: null, cert: null, key: null, verify: true };
  it.each([
    ['unix:///a/b.sock', { kind: 'socket', path: '/a/b.sock' }],
    ['/a/b.sock', { kind: 'socket', path: '/a/b.sock' }],
    ['npipe:////./pipe/docker_engine', { kind: 'socket', path: '//./pipe/docker_engine' }],
    ['tcp://h:2375', { kind: 'tcp', host: 'h', port: 2375, tls: null }],
    ['tcp://h', { kind: 'tcp', host: 'h', port: 2375, tls: null }],
    ['tcp://h:80', { kind: 'tcp', host: 'h', port: 80, tls: null }],
    ['h:99', { kind: 'tcp', host: 'h', port: 99, tls: null }],
    ['tcp://[::1]:2375', { kind: 'tcp', host: '::1', port: 2375, tls: null }],
    ['http://h:2375/', { kind: 'tcp', host: 'h', port: 2375, tls: null }],
    ['https://h', { kind: 'tcp', host: 'h', port: 2376, tls: secure }],
    ['tcp://h:2376', { kind: 'tcp', host: 'h', port: 2376, tls: secure }],
  ])('%s', (host, endpoint) => {
    expect(parseHost(host, 'o', null)).toEqual(endpoint);
  });

  it.each([
    ['unix://', /path is missing/],
    ['ssh://me@far', /does not speak ssh/],
    ['ftp://h', /unknown scheme/],
    ['tcp://', /no address|host is missing/],
    ['tcp://h:port', /no address/],
  ])('refuses %s', (host, words) => {
    expect(() => parseHost(host, 'DOCKER_HOST', null)).toThrow(words);
    expect(() => parseHost(host, 'DOCKER_HOST', null)).toThrow(
      expect.objectContaining({ code: 'docker-host-invalid' }),
    );
  });

  it.each([
    [{ kind: 'socket', path: '/a' } as const, 'unix:///a'],
    [{ kind: 'tcp', host: '::1', port: 1, tls: null } as const, 'tcp://[::1]:1'],
  ])('are shown as they are written: %j', (endpoint, text) => {
    expect(describeEndpoint(endpoint)).toBe(text);
  });
});

describe('Docker contexts', () => {
  it.each([
    [{}, null, null],
    [{}, '{"currentContext":"colima"}', 'colima'],
    [{}, '{"currentContext":"default"}', null],
    [{}, '{"currentContext":7}', null],
    [{}, 'no json', null],
    [{ DOCKER_CONTEXT: 'far' }, '{"currentContext":"colima"}', 'far'],
    [{ DOCKER_CONTEXT: 'default' }, '{"currentContext":"colima"}', null],
  ])('current one of %j and %s', (env, config, name) => {
    expect(currentContextName(env, config)).toBe(name);
  });

  it.each([
    [
      '{"Name":"far","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://far:1","SkipTLSVerify":true}}}',
      { name: 'far', host: 'tcp://far:1', skipTlsVerify: true, tlsDir: '/t' },
    ],
    ['{"Name":"k8s","Endpoints":{"kubernetes":{}}}', null],
    ['[]', null],
    ['{', null],
  ])('meta.json %s', (json, context) => {
    expect(parseContextMeta(json, '/t')).toEqual(context);
  });
});
