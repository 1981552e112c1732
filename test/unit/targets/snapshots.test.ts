import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { Snapshot } from '../../../src/core/types.ts';
import { observed, SnapshotFeed } from '../../../src/targets/snapshots.ts';
import { Wake } from '../../../src/targets/wake.ts';
import { until } from '../../support/until.ts';

const waiting = (waitingFor: string): Snapshot => ({ replicas: [], waitingFor, error: null });

describe('SnapshotFeed', () => {
  it('gives the latest, and equal ones once', async () => {
    const feed = new SnapshotFeed();
    const abort = new AbortController();
    const seen: (string | null)[] = [];
    feed.push(waiting('a'));
    feed.push(waiting('b'));
    const reading = (async () => {
      for await (const { waitingFor } of feed.read(abort.signal)) seen.push(waitingFor);
    })();
    await until(() => seen.length === 1, 'one');
    feed.push(waiting('b'));
    feed.push(waiting('c'));
    await until(() => seen.length === 2, 'two');
    abort.abort();
    await reading;
    expect(seen).toEqual(['b', 'c']);
  });
});

describe('observed', () => {
  it('aborts and awaits the observer when the reader leaves', async () => {
    let ended = false;
    for await (const snapshot of observed(async (push, signal) => {
      push(waiting('x'));
      await new Promise((done) => signal.addEventListener('abort', done));
      ended = true;
    }, new AbortController().signal)) {
      expect(snapshot.waitingFor).toBe('x');
      break;
    }
    expect(ended).toBe(true);
  });

  it('does not swallow a fault of the observer', async () => {
    const reading = async (): Promise<void> => {
      for await (const _ of observed(async () => {
        throw new Error('ours');
      }, new AbortController().signal));
    };
    await expect(reading()).rejects.toThrow('ours');
  });
});

describe('Wake', () => {
  it('is kept when nobody sleeps yet', async () => {
    const wake = new Wake();
    wake.call();
    await wake.sleep(60_000, new AbortController().signal);
  });

  it('ends a sleep by call, by time and by abort, and leaves no listener', async () => {
    const wake = new Wake();
    const abort = new AbortController();
    for (let i = 0; i < 20; i++) {
      const sleeping = wake.sleep(60_000, abort.signal);
      wake.call();
      await sleeping;
    }
    await wake.sleep(1, abort.signal);
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
    const sleeping = wake.sleep(60_000, abort.signal);
    abort.abort();
    await sleeping;
  });
});
