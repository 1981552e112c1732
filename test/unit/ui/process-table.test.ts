import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classify } from '../../../src/core/classify.ts';
import { processReport } from '../../../src/core/process-report.ts';
import type { ProcessReport } from '../../../src/core/status.ts';
import { memory, processTable } from '../../../src/ui/process-table.ts';
import { recordedTree } from '../../support/process-info.ts';

function reports(name: string, replica = 'api'): ProcessReport[] {
  const { processes } = classify(recordedTree(name).processes, 'auto');
  // Figures change with each recording.
  return processes.map((p) => ({ ...processReport(p, replica, 0), cpuPercent: 1.25, rssBytes: 30 * 1024 * 1024 }));
}

describe('processTable', () => {
  test('a tree, the chosen one marked, reasons below', () => {
    expect(processTable(reports('uvicorn-shell'), { color: false, width: 100 })).toEqual([
      '   PID  ROLE        %CPU  MEMORY  PYTHON  COMMAND',
      "    10  wrapper      1.3   30.0M  -       sh -c '/venv/bin/uvicorn app:app --reload --port 8000; tr…",
      '                                          sh around uvicorn reloader 11',
      '    11  supervisor   1.3   30.0M  3.14.8  └ python uvicorn app:app --reload --port 8000',
      '                                            uvicorn reloader: starts the worker, runs no requests o…',
      "    12  helper       1.3   30.0M  3.14.8    └ python -B -c 'from multiprocessing.resource_tracker i…",
      '                                              the resource tracker of multiprocessing',
      "▶   13  worker       1.3   30.0M  3.14.8    └ python -B -c 'from multiprocessing.spawn import spawn…",
      '                                              spawned by the uvicorn reloader 11',
    ]);
  });

  test('no line is wider than told, whatever the width', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 300 }), (width) => {
        for (const line of processTable(reports('honcho'), { color: false, width })) {
          expect(Array.from(line).length).toBeLessThanOrEqual(Math.max(40, width));
        }
      }),
    );
  });

  test('colour only where it is wanted', () => {
    expect(processTable(reports('uvicorn'), { color: false, width: 80 }).join('\n')).not.toContain('\u001B');
    expect(processTable(reports('uvicorn'), { color: true, width: 80 }).join('\n')).toContain('\u001B[1;32m');
  });

  test('several replicas each have their heading; none at all is said', () => {
    const lines = processTable([...reports('uvicorn', 'a'), ...reports('uvicorn', 'b')], { color: false, width: 80 });
    expect(lines.filter((line) => /^[ab]:$/.test(line))).toEqual(['a:', 'b:']);
    expect(processTable([], { color: false, width: 80 })).toEqual(['no Python process']);
  });

  test('a circle of parents shows each process once', () => {
    const circle = reports('gunicorn').map((report) => ({ ...report, ppid: report.pid === 10 ? 11 : 10, reason: '' }));
    expect(processTable(circle, { color: false, width: 80 })).toHaveLength(1 + circle.length);
  });
});

test.each([
  [512, '0.5K'],
  [30 * 1024 * 1024, '30.0M'],
  [150 * 1024 * 1024, '150M'],
  [3.2 * 1024 ** 3, '3.2G'],
])('memory of %d bytes: %s', (bytes, text) => {
  expect(memory(bytes)).toBe(text);
});
