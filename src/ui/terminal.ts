// Owns the status in lines for a terminal: a report in, lines out, one line a target and more where something is wrong.
// Pure: width, colours and characters are told.
import type { ErrorReport, Phase, StatusReport, TargetReport } from '../core/status.ts';
import { printable } from '../lib/printable.ts';
import type { Style } from './style.ts';
import { cut, pad, widthOf, wrap } from './width.ts';

const MARKS: Readonly<Record<Phase, { readonly unicode: string; readonly ascii: string; readonly color: string }>> = {
  waiting: { unicode: '○', ascii: 'o', color: '33' },
  entering: { unicode: '◐', ascii: '~', color: '36' },
  attached: { unicode: '●', ascii: '*', color: '32' },
  stopped: { unicode: '◆', ascii: '#', color: '35' },
  blocked: { unicode: '✗', ascii: 'x', color: '31' },
};
const BOLD = '1';
const DIM = '2';
const RED = '31';
const GAP = '  ';
/** What the sentence of a target keeps before figures are left out, columns. */
const LEAST_TEXT = 24;
const WIDEST_NAME = 24;

/** Never empty, no line wider than `style.width` (20 at least). `more`: what to say below the line of each target. */
export function statusLines(
  report: StatusReport,
  style: Style,
  now: number,
  more: (target: TargetReport, style: Style) => readonly string[] = () => [],
): string[] {
  const width = Math.max(20, style.width);
  const { configError } = report.daemon;
  const names = report.targets.map((target) => printable(target.name));
  const nameWidth = Math.min(WIDEST_NAME, Math.max(0, ...names.map(widthOf)));
  const lines = report.targets.flatMap((target) => [
    targetLine(target, nameWidth, width, style, now),
    ...(target.error === null ? [] : errorLines(target.error, target.message, width, style)),
    ...more(target, style),
  ]);
  if (lines.length === 0) lines.push('no targets');
  for (const problem of report.hints.flatMap(({ problems }) => problems)) {
    lines.push(...errorLines(problem, '', width, style));
  }
  if (configError !== null) {
    lines.push(...block('the config on disk is not used: the last good one stays', RED, '', width, style));
    lines.push(...errorLines(configError, '', width, style));
  }
  return lines;
}

function targetLine(target: TargetReport, nameWidth: number, width: number, style: Style, now: number): string {
  const mark = MARKS[target.phase];
  const sign = style.unicode ? mark.unicode : mark.ascii;
  const name = pad(cut(printable(target.name), nameWidth, ellipsis(style)), nameWidth);
  const phase = pad(target.phase, 'attached'.length);
  const head = widthOf(`${sign} ${name}${GAP}${phase}${GAP}`);
  const figures = figuresThatFit(target, width - head - LEAST_TEXT);
  const tail = figures.map((figure) => GAP + figure).join('');
  const text = cut(
    printable(sentence(target) + countdown(target, now)),
    Math.max(0, width - head - widthOf(tail)),
    ellipsis(style),
  );
  // A terminal may be too narrow even for that: then it is cut where it ends, uncoloured.
  const plain = `${sign} ${name}${GAP}${phase}${GAP}${text}${tail}`;
  if (widthOf(plain) > width) return cut(plain, width, ellipsis(style));
  const color = (code: string, part: string): string => paint(part, code, style);
  return `${color(mark.color, sign)} ${color(BOLD, name)}${GAP}${color(mark.color, phase)}${GAP}${text}${color(DIM, tail)}`;
}

/** Where it is stopped is what one wants to know then. */
function sentence(target: TargetReport): string {
  const { message, stoppedAt } = target;
  if (target.phase !== 'stopped' || stoppedAt === null || message.includes(stoppedAt)) return message;
  return `${message}, at ${stoppedAt}`;
}

/** How long the pause may last; empty where nothing is known that would end it. */
function countdown({ pause }: TargetReport, now: number): string {
  if (pause === null || pause.until === null) return '';
  const left = Math.ceil((pause.until - now) / 1000);
  return left > 0 ? `, ${String(left)} s left` : ', paused for too long';
}

/** In the order that they are shown in; what matters least goes first when there is no room. */
function figuresThatFit(target: TargetReport, room: number): readonly string[] {
  const { worker, reattach, editor, port } = target;
  const figures: { readonly text: string; readonly worth: number }[] = [];
  if (worker !== null && target.kind === 'kubernetes') figures.push({ text: printable(worker.replica), worth: 3.5 });
  if (reattach.last !== null) figures.push({ text: `back in ${seconds(reattach.last.ms)}`, worth: 3 });
  if (worker !== null) {
    figures.push({ text: `cpu ${worker.cpuPercent.toFixed(1)} %`, worth: 1 });
    figures.push({ text: megabytes(worker.rssBytes), worth: 2 });
  }
  if (target.workers.length > 1) figures.push({ text: `${String(target.workers.length)} workers`, worth: 2.2 });
  if (target.forwards.length > 0) figures.push({ text: forwardsText(target.forwards), worth: 2.5 });
  figures.push({ text: `:${String(port)}`, worth: 5 });
  figures.push({ text: editor.connected ? printable(editor.client ?? 'editor') : 'no editor', worth: 4 });
  let shown = figures;
  const used = (): number => shown.reduce((sum, { text }) => sum + GAP.length + widthOf(text), 0);
  for (const { worth } of [...figures].sort((a, b) => a.worth - b.worth)) {
    if (used() <= room || shown.length === 1) break;
    shown = shown.filter((figure) => figure.worth !== worth);
  }
  return used() > room + LEAST_TEXT / 2 ? [] : shown.map(({ text }) => text);
}

/** The local ports that lead to the app; what is wrong with one is said beside it. */
function forwardsText(forwards: TargetReport['forwards']): string {
  const ports = forwards.map(({ localPort, state }) => `${String(localPort)}${state === 'ready' ? '' : ` ${state}`}`);
  return `app on ${ports.join(', ')}`;
}

/** The message is left out where the target's line has said it. */
function errorLines(error: ErrorReport, said: string, width: number, style: Style): string[] {
  const message =
    error.message === said && widthOf(said) < width / 2 ? [] : block(error.message, RED, '  ', width, style);
  return [...message, ...block(`fix: ${error.fix}`, null, '  ', width, style)];
}

/** A text of any length, its own line breaks kept. */
function block(text: string, color: string | null, indent: string, width: number, style: Style): string[] {
  return text
    .split('\n')
    .flatMap((line) => wrap(indent + printable(line), width, `${indent}  `))
    .map((line) => (color === null ? line : paint(line, color, style)));
}

/** `0.14 s`, `12 s`. */
export function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(2)} s` : `${(ms / 1000).toFixed(0)} s`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(0)} MB`;
}

function ellipsis(style: Style): string {
  return style.unicode ? '…' : '~';
}

function paint(text: string, code: string, style: Style): string {
  return style.color && text !== '' ? `\u001B[${code}m${text}\u001B[0m` : text;
}
