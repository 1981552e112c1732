import { describe, expect, it } from 'vitest';
import { Hints } from '../../../src/daemon/hints.ts';
import { silentLog } from '../../../src/lib/log.ts';
import { eventServer, replay } from '../../support/event-server.ts';
import { until } from '../../support/until.ts';
import { CONFIG } from '../core/facts.ts';

interface Stage extends AsyncDisposable {
  readonly hints: Hints;
  /** Each look: whether what waits is tried anew. */
  readonly looks: boolean[];
  readonly warnings: string[];
}

function stage(): Stage {
  const looks: boolean[] = [];
  const warnings: string[] = [];
  const hints = new Hints({
    look: (anew) => looks.push(anew),
    changed: () => undefined,
    portsTaken: () => new Set(),
    log: { ...silentLog(), warn: (text) => warnings.push(text) },
  });
  return { hints, looks, warnings, [Symbol.asyncDispose]: () => hints.close() };
}

describe('hints', () => {
  it('make a look at once, and more for a while', async () => {
    await using set = stage();
    set.hints.notify('deploy');
    expect(set.looks).toEqual([true]);
    await until(() => set.looks.length >= 3, 'more looks');
    expect(set.looks.slice(1, 3)).toEqual([false, false]);
    expect(set.hints.reports()).toMatchObject([
      { source: 'notify', state: 'connected', lastEvent: { text: 'deploy' }, problems: [] },
    ]);
  });

  it('in a burst make no more looks than one', async () => {
    await using set = stage();
    for (let times = 0; times < 1_000; times += 1) set.hints.notify(`sync ${String(times)}`);
    expect(set.looks).toEqual([true]);
    // What came after the look is looked at, too.
    await until(() => set.looks.length === 2, 'the next look');
    expect(set.looks[1]).toBe(true);
  });

  it('end with the daemon', async () => {
    const set = stage();
    set.hints.notify('x');
    await set.hints.close();
    const { length } = set.looks;
    set.hints.notify('y');
    expect(set.looks).toHaveLength(length);
  });

  it('may be of any text', async () => {
    await using set = stage();
    set.hints.notify(`\u001B[2J${'x'.repeat(10_000)}`);
    const text = set.hints.reports()[0]?.lastEvent?.text ?? '';
    expect(text.length).toBeLessThanOrEqual(100);
    expect(text).not.toContain('\u001B');
  });

  it('of the config are followed, and left when it says so; a collision is warned of once', async () => {
    const port = { localPort: CONFIG.port, resourceType: 'service', resourceName: 'web' };
    const event = { result: { timestamp: '2020-01-01T00:00:00Z', portEvent: port } };
    await using server = await eventServer(replay(event, event));
    await using set = stage();
    const project = { file: null, root: '/nonexistent', targets: [CONFIG] };
    await set.hints.configure({ ...project, page: false, skaffold: { events: server.url } });
    await until(() => set.hints.reports()[0]?.problems.length === 1, 'the collision');
    server.cut();
    await until(() => server.asked.length === 2 && set.hints.reports()[0]?.problems.length === 1, 'there again');
    expect(set.warnings).toHaveLength(1);
    expect(set.warnings[0]).toMatch(/^port \d+ of target \S+ is used by skaffold for service web\nfix: /);
    await set.hints.configure({ ...project, page: false, skaffold: { events: 'off' } });
    expect(set.hints.reports()).toEqual([]);
  });
});
