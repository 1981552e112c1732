// Owns the table of `wand ps`: reports in, lines out. Pure: width and colour are told, nothing is asked of a terminal.
import type { ProcessReport } from '../core/status.ts';

/** How to print. `color`: false under NO_COLOR, in pipes, with --plain. `width`: columns, at least 40 are used. */
export interface TableStyle {
  readonly color: boolean;
  readonly width: number;
}

interface Row {
  readonly report: ProcessReport | null;
  readonly cells: readonly string[];
  readonly command: string;
  /** Columns by which the tree indents the command. */
  readonly indent: number;
}

const HEAD = ['', 'PID', 'ROLE', '%CPU', 'MEMORY', 'PYTHON'] as const;
const RIGHT: ReadonlySet<string> = new Set(['PID', '%CPU', 'MEMORY']);
const CHOSEN = '▶';
const BOLD_GREEN = '\u001B[1;32m';
const DIM = '\u001B[2m';
const RESET = '\u001B[0m';

/**
 * Lines of a table, the chosen process marked, children below their parents and indented; each process's reason stands in
 * a line below it. No processes: one line that says so.
 */
export function processTable(reports: readonly ProcessReport[], style: TableStyle): string[] {
  if (reports.length === 0) return ['no Python process'];
  const width = Math.max(40, style.width);
  const replicas = new Set(reports.map((report) => report.replica));
  const lines: string[] = [];
  for (const replica of replicas) {
    if (replicas.size > 1) lines.push(`${replica}:`);
    lines.push(
      ...table(
        reports.filter((report) => report.replica === replica),
        width,
        style.color,
      ),
    );
  }
  return lines;
}

function table(reports: readonly ProcessReport[], width: number, color: boolean): string[] {
  const rows: Row[] = [
    { report: null, cells: HEAD, command: 'COMMAND', indent: 0 },
    ...inTreeOrder(reports).map(rowOf),
  ];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => columns(row.cells[column] ?? ''))));
  return rows.flatMap((row) => {
    const cells = row.cells.map((cell, column) => padded(cell, widths[column] ?? 0, RIGHT.has(HEAD[column] ?? '')));
    const left = `${cells.join('  ')}  `;
    const line = cut(`${left}${row.command}`, width).trimEnd();
    const { report } = row;
    if (report === null) return [paint(line, DIM, color)];
    const main = report.chosen ? paint(line, BOLD_GREEN, color) : line;
    const below = ' '.repeat(columns(left) + row.indent);
    const reason = cut(`${below}${report.reason}`, width).trimEnd();
    return report.reason === '' ? [main] : [main, paint(reason, DIM, color)];
  });
}

function rowOf({ report, depth }: { report: ProcessReport; depth: number }): Row {
  const branch = depth === 0 ? '' : `${'  '.repeat(depth - 1)}└ `;
  return {
    report,
    cells: [
      report.chosen ? CHOSEN : '',
      String(report.pid),
      report.role,
      report.cpuPercent.toFixed(1),
      memory(report.rssBytes),
      report.python ?? '-',
    ],
    command: `${branch}${shortened(report.command)}`,
    indent: branch.length,
  };
}

/** Without the folders of the interpreter and of its script: what differs between processes comes first. */
function shortened(command: string): string {
  const [program = '', script = '', ...rest] = command.split(' ');
  const words = [baseName(program), program.includes('python') ? baseName(script) : script, ...rest];
  return words.join(' ').trimEnd();
}

function baseName(word: string): string {
  return word.startsWith('/') ? word.slice(word.lastIndexOf('/') + 1) : word;
}

/** Parents before children, by pid among equals. A circle of parents ends where it began. */
function inTreeOrder(reports: readonly ProcessReport[]): { report: ProcessReport; depth: number }[] {
  const pids = new Set(reports.map((report) => report.pid));
  const sorted = [...reports].sort((a, b) => a.pid - b.pid);
  const done = new Set<ProcessReport>();
  const order: { report: ProcessReport; depth: number }[] = [];
  const visit = (report: ProcessReport, depth: number): void => {
    if (done.has(report)) return;
    done.add(report);
    order.push({ report, depth });
    for (const child of sorted) if (child.ppid === report.pid) visit(child, depth + 1);
  };
  for (const report of sorted) if (!pids.has(report.ppid)) visit(report, 0);
  for (const report of sorted) visit(report, 0);
  return order;
}

/** `41.2M`: one decimal below 100, as people read it. */
export function memory(bytes: number): string {
  let value = bytes / 1024;
  for (const unit of ['K', 'M', 'G']) {
    if (value < 1000 || unit === 'G') return `${value < 99.95 ? value.toFixed(1) : value.toFixed(0)}${unit}`;
    value /= 1024;
  }
  return `${String(bytes)}B`;
}

/** Code points stand for columns: enough for paths and options. */
function columns(text: string): number {
  return Array.from(text).length;
}

function padded(text: string, width: number, right: boolean): string {
  const space = ' '.repeat(Math.max(0, width - columns(text)));
  return right ? space + text : text + space;
}

function cut(text: string, width: number): string {
  const points = Array.from(text);
  return points.length <= width ? text : `${points.slice(0, width - 1).join('')}…`;
}

function paint(text: string, code: string, color: boolean): string {
  return color ? `${code}${text}${RESET}` : text;
}
