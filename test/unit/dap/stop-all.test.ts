import { describe, expect, it } from 'vitest';
import { StopAll } from '../../../src/dap/stop-all.ts';

const ALL = [0, 1, 2];

describe('a stop of all', () => {
  it.each<[string, readonly (readonly [number, boolean])[], readonly string[]]>([
    ['one stops', [[1, true]], ['stop 0,2 run ']],
    [
      'the others stop for its sake',
      [
        [1, true],
        [0, true],
        [2, true],
      ],
      ['stop 0,2 run ', 'stop  run ', 'stop  run '],
    ],
    [
      'it runs on',
      [
        [1, true],
        [0, true],
        [1, false],
      ],
      ['stop 0,2 run ', 'stop  run ', 'stop  run 0,2'],
    ],
    [
      'another one is let go on',
      [
        [1, true],
        [2, true],
        [2, false],
      ],
      ['stop 0,2 run ', 'stop  run ', 'stop  run 1,0'],
    ],
    [
      'those that run on do not start it anew',
      [
        [1, true],
        [1, false],
        [0, false],
        [2, false],
        [0, true],
      ],
      ['stop 0,2 run ', 'stop  run 0,2', 'stop  run ', 'stop  run ', 'stop 1,2 run '],
    ],
    ['one that runs', [[1, false]], ['stop  run ']],
  ])('%s', (_name, moves, expected) => {
    const stops = new StopAll();
    const said = moves.map(([session, stopped]) => {
      const { stop, run } = stops.moved(session, stopped, ALL);
      return `stop ${stop.join(',')} run ${run.join(',')}`;
    });
    expect(said).toEqual(expected);
  });
});
