// Owns how a process is told to people and programs: the line of `wand ps --json`. Pure.
import type { ProcessReport } from './status.ts';
import type { ClassifiedProcess } from './types.ts';

/** `replica`: its name for people. `now`: ms since the epoch, of the snapshot that holds the process. */
export function processReport(process: ClassifiedProcess, replica: string, now: number): ProcessReport {
  return {
    pid: process.pid,
    ppid: process.ppid,
    replica,
    role: process.role,
    reason: process.reason,
    chosen: process.chosen,
    cpuPercent: cpuPercent(process.cpuSeconds, process.ageMs),
    rssBytes: process.rssBytes,
    cpuSeconds: process.cpuSeconds,
    python: process.python?.version ?? null,
    command: commandLine(process.cmdline) || `[${process.exe ?? String(process.pid)}]`,
    startedAt: Math.round(now - process.ageMs),
  };
}

/** As `ps` computes %cpu: CPU time divided by the time since the start, one decimal, cut off and not rounded. */
export function cpuPercent(cpuSeconds: number, ageMs: number): number {
  if (ageMs <= 0) return 0;
  return Math.max(0, Math.floor((cpuSeconds * 1_000_000) / ageMs) / 10);
}

/** One line; words that a shell would split or change are quoted, line breaks and other controls made visible. */
export function commandLine(words: readonly string[]): string {
  return words.map(quoted).join(' ');
}

function quoted(word: string): string {
  // eslint-disable-next-line no-control-regex
  const clean = word.replace(/[\u0000-\u001F\u007F]/g, (c) => (c === '\n' ? '\\n' : '�'));
  if (clean === '') return "''";
  return /[\s"'`$&|;<>(){}*?!#~\\]/.test(clean) && !/^(gunicorn: |\[)/.test(clean)
    ? `'${clean.replaceAll("'", "'\\''")}'`
    : clean;
}
