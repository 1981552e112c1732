// The set of targets, one of which cannot be started for as long as the test says so.
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Phase, TargetReport } from '../../../src/core/status.ts';
import type { ProjectConfig, TargetConfig } from '../../../src/core/types.ts';
import { Supervisor } from '../../../src/daemon/supervisor.ts';
import { DebugwandError } from '../../../src/lib/errors.ts';
import type { Log } from '../../../src/lib/log.ts';
import { FakeTarget } from '../../support/fake-target.ts';
import { eventServer, replay } from '../../support/event-server.ts';
import { until } from '../../support/until.ts';
import { CONFIG } from '../core/facts.ts';

/** What the making of a target throws, by its name; and how often each was tried. */
const faults = new Map<string, Error>();
const tries: string[] = [];
const targets = new Map<string, FakeTarget>();

vi.mock('../../../src/targets/index.ts', () => ({
  createTarget: ({ name }: TargetConfig) => {
    tries.push(name);
    const fault = faults.get(name);
    if (fault !== undefined) return Promise.reject(fault);
    const target = new FakeTarget();
    targets.set(name, target);
    return Promise.resolve(target);
  },
}));

const FAULT = new DebugwandError({ code: 'out-of-order', message: 'it does not start', fix: 'mend it' });

function project(...names: readonly string[]): ProjectConfig {
  return {
    root: '/app',
    file: null,
    targets: names.map((name) => ({ ...CONFIG, name, port: 0 })),
    page: false,
    skaffold: { events: 'off' },
  };
}

describe('a target that cannot be started', () => {
  let supervisor: Supervisor;
  let errors: string[];

  beforeEach(() => {
    faults.clear();
    targets.clear();
    tries.length = 0;
    errors = [];
    const nothing = (): void => undefined;
    const log: Log = { debug: nothing, info: nothing, warn: nothing, error: (text) => errors.push(text) };
    supervisor = new Supervisor(project(), {
      log,
      onChange: nothing,
      inheritStdio: false,
      page: () => null,
      confirm: null,
    });
  });

  afterEach(() => supervisor.close());

  const report = (name: string): TargetReport | undefined =>
    supervisor.report().targets.find((target) => target.name === name);
  const isStarted = (name: string): Promise<Phase> =>
    until(() => (report(name)?.error === null && targets.has(name) ? report(name)?.phase : null), `${name} started`);

  it('says so, and the others are started', async () => {
    faults.set('api', FAULT);
    await supervisor.apply(project('api', 'web'));
    expect(report('api')).toMatchObject({
      phase: 'blocked',
      ready: false,
      message: 'it does not start',
      error: { code: 'out-of-order', fix: 'mend it' },
    });
    expect(supervisor.report().daemon.configError).toBeNull();
    await isStarted('web');
    expect(() => supervisor.switchWorker('api', null)).toThrow(FAULT);
  });

  it('is tried again by itself, and told of once', async () => {
    faults.set('api', FAULT);
    await supervisor.apply(project('api', 'web'));
    await until(() => tries.filter((name) => name === 'api').length >= 3, 'further tries');
    expect(errors).toEqual(['api: it does not start\nfix: mend it']);
    faults.delete('api');
    await isStarted('api');
    expect(tries.filter((name) => name === 'web')).toHaveLength(1);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['when the config is read again', () => supervisor.apply(project('api'))],
    ['with a config that changed elsewhere', () => supervisor.apply(project('api', 'web'))],
    ['on request', () => supervisor.restart('api')],
  ])('is tried again %s', async (_when, again) => {
    faults.set('api', FAULT);
    await supervisor.apply(project('api'));
    faults.delete('api');
    await again();
    expect(report('api')?.error).toBeNull();
    expect(targets.has('api')).toBe(true);
  });

  it('fails a request to start it with what is wrong', async () => {
    faults.set('api', FAULT);
    await supervisor.apply(project('api'));
    await expect(supervisor.restart('api')).rejects.toBe(FAULT);
  });

  it('is tried no more when it is wanted no more', async () => {
    faults.set('api', FAULT);
    await supervisor.apply(project('api', 'web'));
    await supervisor.apply(project('web'));
    expect(report('api')).toBeUndefined();
    expect(() => supervisor.switchWorker('api', null)).toThrow('there is no target api');
    const tried = tries.length;
    faults.set('db', FAULT);
    await supervisor.apply(project('web', 'db'));
    await until(() => tries.filter((name) => name === 'db').length >= 3, 'tries of another');
    expect(tries.slice(tried)).not.toContain('api');
  });

  it('whose settings make it another one is tried as that', async () => {
    await supervisor.apply(project('api', 'web'));
    const [former, other] = [targets.get('api'), targets.get('web')];
    faults.set('api', FAULT);
    const config = project('api', 'web');
    const source = { kind: 'docker' as const, container: 'another' };
    await supervisor.apply({
      ...config,
      targets: config.targets.map((target) => (target.name === 'api' ? { ...target, source } : target)),
    });
    expect(former?.closed).toBe(true);
    expect(other?.closed).toBe(false);
    expect(report('api')?.phase).toBe('blocked');
    faults.delete('api');
    await isStarted('api');
    expect(targets.get('api')).not.toBe(former);
  });

  it('does not keep the daemon from its end', async () => {
    faults.set('api', FAULT);
    await supervisor.apply(project('api', 'web'));
    await supervisor.close();
    expect(targets.get('web')?.closed).toBe(true);
  });
});

describe('a port that a tool of the dev loop has', () => {
  it('is told of once: by the target that cannot have it', async () => {
    faults.clear();
    const held = createServer().listen(0, '127.0.0.1');
    await once(held, 'listening');
    const { port } = held.address() as AddressInfo;
    const portEvent = { localPort: port, resourceType: 'service', resourceName: 'web' };
    await using server = await eventServer(replay({ result: { timestamp: '2020-01-01T00:00:00Z', portEvent } }));
    const nothing = (): void => undefined;
    const log: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
    const options = { log, onChange: nothing, inheritStdio: false, page: () => null, confirm: null };
    const supervisor = new Supervisor(project(), options);
    try {
      const config = project('api');
      const targetsHere = config.targets.map((target) => ({ ...target, port }));
      await supervisor.apply({ ...config, targets: targetsHere, skaffold: { events: server.url } });
      await until(() => supervisor.report().targets[0]?.error?.code === 'port-taken', 'the port is missed');
      await until(() => supervisor.report().hints[0]?.state === 'connected', 'the tool has said what it has');
      expect(supervisor.report().hints[0]?.problems).toEqual([]);
    } finally {
      await supervisor.close();
      held.close();
    }
  });
});
