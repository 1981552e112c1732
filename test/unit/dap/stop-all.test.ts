import { describe, expect, it } from 'vitest';
import { StopAll, type Move } from '../../../src/dap/stop-all.ts';

const ALL = [0, 1, 2];

describe('a stop of all', () => {
  it.each<[string, readonly (readonly [number, Move])[], readonly string[]]>([
    ['one stops', [[1, 'stops']], ['stop 0,2 run ']],
    [
      'the others stop for its sake',
      [
        [1, 'stops'],
        [0, 'stops'],
        [2, 'stops'],
      ],
      ['stop 0,2 run ', 'stop  run ', 'stop  run '],
    ],
    [
      'it runs on',
      [
        [1, 'stops'],
        [0, 'stops'],
        [1, 'runs'],
      ],
      ['stop 0,2 run ', 'stop  run ', 'stop  run 0,2'],
    ],
    [
      'another one is let go on',
      [
        [1, 'stops'],
        [2, 'stops'],
        [2, 'runs'],
      ],
      ['stop 0,2 run ', 'stop  run ', 'stop  run 1,0'],
    ],
    [
      'those that run on do not start it anew',
      [
        [1, 'stops'],
        [1, 'runs'],
        [0, 'runs'],
        [2, 'runs'],
        [0, 'stops'],
      ],
      ['stop 0,2 run ', 'stop  run 0,2', 'stop  run ', 'stop  run ', 'stop 1,2 run '],
    ],
    [
      'another one ends, and the stop is looked at',
      [
        [1, 'stops'],
        [0, 'stops'],
        [0, 'ends'],
        [1, 'runs'],
      ],
      ['stop 0,2 run ', 'stop  run ', 'stop  run ', 'stop  run 2'],
    ],
    [
      'it ends itself',
      [
        [1, 'stops'],
        [0, 'stops'],
        [1, 'ends'],
      ],
      ['stop 0,2 run ', 'stop  run ', 'stop  run 0,2'],
    ],
    ['one that runs', [[1, 'runs']], ['stop  run ']],
  ])('%s', (_name, moves, expected) => {
    const stops = new StopAll();
    const said = moves.map(([session, move]) => {
      const { stop, run } = stops.moved(session, move, ALL);
      return `stop ${stop.join(',')} run ${run.join(',')}`;
    });
    expect(said).toEqual(expected);
  });
});
