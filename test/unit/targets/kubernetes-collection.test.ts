import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DebugwandError } from '../../../src/lib/errors.ts';
import { watchCollection, type CollectionTimes } from '../../../src/targets/kubernetes-collection.ts';
import { KubernetesConnection } from '../../../src/targets/kubernetes-connection.ts';
import { FakeApiServer, type Fault } from '../../support/fake-api-server.ts';
import { folder } from '../../support/folder.ts';
import { until } from '../../support/until.ts';

const TIMES: CollectionTimes = {
  retry: { firstMs: 2, maxMs: 20, healthyMs: 50 },
  refusedMs: 30,
  silenceMs: 60_000,
  longestSilenceMs: 60_000,
  watchSeconds: 540,
};

interface Watched extends AsyncDisposable {
  readonly server: FakeApiServer;
  readonly seen: Map<string, number>;
  readonly errors: DebugwandError[];
  readonly counts: { changed: number; flowing: number };
  stop(): Promise<void>;
}

async function watched(
  times: Partial<CollectionTimes> = {},
  prepare?: (server: FakeApiServer) => void,
): Promise<Watched> {
  const server = await FakeApiServer.start();
  prepare?.(server);
  const dir = await folder({ config: kubeconfig(server.url) });
  const connection = new KubernetesConnection({ kubeconfig: dir.at('config'), allowContexts: [] });
  const seen = new Map<string, number>();
  const errors: DebugwandError[] = [];
  const counts = { changed: 0, flowing: 0 };
  const abort = new AbortController();
  const done = watchCollection(
    connection,
    { path: '/api/v1/things' },
    (object) => {
      const { metadata, value } = object as { metadata: { name: string }; value: number };
      return value < 0 ? null : { name: metadata.name, value };
    },
    {
      changed: (objects) => {
        counts.changed += 1;
        seen.clear();
        for (const { name, value } of objects.values()) seen.set(name, value);
      },
      failed: (error) => errors.push(error),
      flowing: () => (counts.flowing += 1),
    },
    abort.signal,
    { ...TIMES, ...times },
  );
  const stop = async (): Promise<void> => {
    abort.abort();
    await done;
  };
  return {
    server,
    seen,
    errors,
    counts,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      connection.close();
      await server[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

function kubeconfig(server: string, token = 'one'): string {
  return JSON.stringify({
    'current-context': 'fake',
    contexts: [{ name: 'fake', context: { cluster: 'fake', user: 'fake' } }],
    clusters: [{ name: 'fake', cluster: { server } }],
    users: [{ name: 'fake', user: { token } }],
  });
}

/** What the server has and `parse` keeps. */
function kept(server: FakeApiServer): [string, number][] {
  return [...server.objects.values()]
    .filter(({ value }) => value >= 0)
    .map(({ metadata, value }): [string, number] => [metadata.name, value])
    .sort(([a], [b]) => a.localeCompare(b));
}

function sorted(seen: ReadonlyMap<string, number>): [string, number][] {
  return [...seen].sort(([a], [b]) => a.localeCompare(b));
}

function watches(server: FakeApiServer): number {
  return server.requests.filter(({ query }) => query.has('watch')).length;
}

async function converged({ server, seen }: Watched): Promise<void> {
  try {
    await until(() => JSON.stringify(sorted(seen)) === JSON.stringify(kept(server)), 'the map is what the server has');
  } catch {
    expect(sorted(seen)).toEqual(kept(server));
  }
}

describe('list and watch', () => {
  it('shows what is there and what becomes of it', async () => {
    await using it = await watched({}, (server) => {
      server.set('a', 1);
      server.set('b', -1);
    });
    await until(() => it.server.watching === 1, 'it watches');
    expect(sorted(it.seen)).toEqual([['a', 1]]);
    it.server.set('b', 2);
    it.server.set('a', 3);
    it.server.delete('a');
    await converged(it);
    it.server.set('b', -1);
    await converged(it);
    expect(it.errors).toEqual([]);
  });

  it('is quiet about what changes nothing that is kept', async () => {
    await using it = await watched({}, (server) => {
      server.set('a', 1);
    });
    await until(() => it.server.watching === 1, 'it watches');
    it.server.set('a', 1);
    it.server.bookmark();
    it.server.set('b', 2);
    await until(() => it.seen.get('b') === 2, 'the next change');
    expect(it.counts.changed).toBe(2);
  });

  it('lists in pages', async () => {
    await using it = await watched({}, (server) => {
      server.pageSize = 3;
      for (let i = 0; i < 10; i++) server.set(`o${String(i)}`, i);
    });
    await converged(it);
    expect(it.server.requests.filter(({ query }) => query.has('limit'))).toHaveLength(4);
  });

  it('goes on from the last version when the server ends the watch: no second list', async () => {
    await using it = await watched({}, (server) => {
      server.set('a', 1);
    });
    await until(() => it.server.watching === 1, 'it watches');
    it.server.set('a', 2);
    await converged(it);
    it.server.endWatches();
    it.server.set('a', 3);
    await converged(it);
    it.server.cutAll();
    it.server.set('a', 4);
    await converged(it);
    expect(watches(it.server)).toBeGreaterThanOrEqual(3);
    expect(it.server.requests.filter(({ query }) => query.has('limit'))).toHaveLength(1);
    expect(it.errors).toEqual([]);
  });

  it.each(['410 of the request', '410 in an event', 'an event that is no 410'])('%s: lists again', async (how) => {
    await using it = await watched({}, (server) => {
      // Even and odd versions are answered in the two ways.
      server.set('a', 1);
      if (how === '410 in an event') server.set('b', 1);
    });
    await until(() => it.server.watching === 1, 'it watches');
    if (how === 'an event that is no 410') {
      it.server.errorEvent(500, 'InternalError');
    } else {
      it.server.silent = true;
      it.server.set('a', 5);
      it.server.compact();
      it.server.endWatches();
    }
    await until(() => it.server.requests.filter(({ query }) => query.has('limit')).length > 1, 'listed again');
    await converged(it);
    expect(it.errors.map(({ code }) => code)).toEqual(how === 'an event that is no 410' ? ['kubernetes-failed'] : []);
  });

  it('a watch that goes silent is opened anew, and misses nothing', async () => {
    await using it = await watched({ silenceMs: 100, longestSilenceMs: 100 });
    await until(() => it.server.watching === 1, 'it watches');
    it.server.silent = true;
    it.server.set('a', 1);
    await converged(it);
    expect(it.errors).toEqual([]);
  });

  it('bookmarks are a sign of life; without them silence is borne longer and longer', async () => {
    await using it = await watched({ silenceMs: 100, longestSilenceMs: 400 });
    await until(() => it.server.watching === 1, 'it watches');
    const until250 = performance.now() + 250;
    await until(() => {
      it.server.bookmark();
      return performance.now() > until250;
    }, 'bookmarks came for a while');
    expect(watches(it.server)).toBe(1);
    await until(() => watches(it.server) === 3, 'opened anew twice');
    const second = performance.now();
    await until(() => watches(it.server) === 4, 'opened anew again');
    expect(performance.now() - second).toBeGreaterThan(180);
  });

  it('what the server refuses is told with its name, and tried again', async () => {
    await using it = await watched({}, (server) => {
      server.set('a', 1);
      server.faults.push({
        status: 403,
        reason: 'Forbidden',
        message: 'things is forbidden: User "u" cannot list resource "things" in API group "" in the namespace "shop"',
      });
      server.faults.push('html', 'cut-body', { status: 503 });
    });
    await converged(it);
    expect(it.errors.map(({ code }) => code)).toEqual([
      'kubernetes-forbidden',
      'kubernetes-failed',
      'kubernetes-unreachable',
      'kubernetes-unreachable',
    ]);
    await until(() => it.counts.flowing === 1, 'it flows');
  });

  it('junk in the watch: lists again', async () => {
    await using it = await watched();
    await until(() => it.server.watching === 1, 'it watches');
    it.server.raw('{"type":"ADDED","object":{"metadata"\n');
    it.server.set('a', 1);
    await converged(it);
    it.server.raw('[]\n');
    it.server.set('a', 2);
    await converged(it);
  });

  it('stops at once and leaves nothing, wherever it is', async () => {
    for (const fault of ['hang', 'reset', null] as const) {
      await using it = await watched({}, (server) => {
        if (fault !== null) server.faults.push(fault);
      });
      await until(() => it.server.requests.length > (fault === null ? 1 : 0), 'it asked');
      await it.stop();
      await until(() => it.server.watching === 0, 'no watch is left');
      const { length } = it.server.requests;
      const calls = { ...it.counts };
      it.server.set('late', 1);
      expect(it.counts).toEqual(calls);
      expect(it.server.requests).toHaveLength(length);
    }
  });

  it('the map becomes what the server has, whatever happens in between', async () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd');
    const fault = fc.constantFrom<Fault>(
      'reset',
      'cut-body',
      'html',
      { status: 410, reason: 'Gone' },
      { status: 500 },
      { status: 429 },
    );
    const step = fc.oneof(
      fc.record({ do: fc.constant('set' as const), name, value: fc.integer({ min: -1, max: 3 }) }),
      fc.record({ do: fc.constant('delete' as const), name }),
      fc.record({ do: fc.constant('fault' as const), fault }),
      fc.record({ do: fc.constantFrom('compact' as const, 'end' as const, 'cut' as const, 'bookmark' as const) }),
      fc.record({ do: fc.constantFrom('silent' as const, 'gone' as const, 'wait' as const) }),
      fc.record({ do: fc.constant('chunk' as const), size: fc.integer({ min: 1, max: 50 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        await using it = await watched({ silenceMs: 50, longestSilenceMs: 50 });
        const { server } = it;
        for (const one of steps) {
          if (one.do === 'set') server.set(one.name, one.value);
          else if (one.do === 'delete') server.delete(one.name);
          else if (one.do === 'fault') server.faults.push(one.fault);
          else if (one.do === 'chunk') server.chunk = one.size;
          else if (one.do === 'compact') server.compact();
          else if (one.do === 'end') server.endWatches();
          else if (one.do === 'cut') server.cutAll();
          else if (one.do === 'bookmark') server.bookmark();
          else if (one.do === 'silent') server.silent = !server.silent;
          else if (one.do === 'gone') server.errorEvent(410, 'Expired');
          else await new Promise((resolve) => setImmediate(resolve));
        }
        await converged(it);
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});
