import { describe, expect, it } from 'vitest';
import { heard, hintReport, ourPorts, QUIET, type News } from '../../../src/hints/news.ts';
import { CONFIG } from '../core/facts.ts';

const SINCE = 1_000;
const NOW = 5_000;
const PORT: News = { type: 'port', port: 5679, text: 'service web', fix: 'tell it otherwise' };

describe('what a source says', () => {
  it.each([
    ['of now', 2_000, 'synced'],
    ['without a time', null, 'synced'],
    ['of before we listened', 999, null],
  ] as const)('%s', (_, at, look) => {
    const result = heard(QUIET, { type: 'look', text: 'synced', at }, SINCE, NOW);
    expect(result.look).toBe(look);
    expect(result.state.lastEvent).toEqual({ at: at ?? NOW, text: 'synced' });
  });

  it('of a port that is ours, too, is a problem with a fix, whenever it was said', () => {
    const { state } = heard(QUIET, PORT, SINCE, NOW);
    const report = hintReport('skaffold', state, ourPorts([{ ...CONFIG, name: 'api', port: 5679 }]));
    expect(report.problems).toEqual([
      {
        code: 'port-of-tool',
        message: 'port 5679 of target api is used by skaffold for service web',
        fix: 'tell it otherwise, or give target api another port in the config',
      },
    ]);
    expect(hintReport('skaffold', state, ourPorts([{ ...CONFIG, port: 5680 }])).problems).toEqual([]);
    const forward = { localPort: 5679, remotePort: 'http' };
    expect(hintReport('skaffold', state, ourPorts([{ ...CONFIG, port: 1, forward: [forward] }])).problems).toHaveLength(
      1,
    );
  });

  it('of its end frees the ports', () => {
    const { state } = heard(QUIET, PORT, SINCE, NOW);
    const ended = heard(state, { type: 'ended', text: 'Skaffold ended' }, SINCE, NOW);
    expect(ended).toMatchObject({ look: null, state: { state: 'ended', message: 'Skaffold ended' } });
    expect(ended.state.ports.size).toBe(0);
  });

  it('is bounded', () => {
    let state = QUIET;
    for (let port = 1; port <= 10_000; port += 1) state = heard(state, { ...PORT, port }, SINCE, NOW).state;
    expect(state.ports.size).toBeLessThanOrEqual(200);
  });
});
