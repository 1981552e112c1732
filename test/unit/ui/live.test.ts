import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { LiveScreen, type Keyboard, type Terminal } from '../../../src/ui/live.ts';
import { until } from '../../support/until.ts';
import { attached, report } from '../../support/reports.ts';

const fixture = join(import.meta.dirname, '../../fixtures/ui/live-screen.ts');

/** A real terminal: util-linux's `script` makes one, and we are whoever types on it. */
function onTerminal(): { typed(keys: string): void; output(): string; end: Promise<void> } {
  const command = `stty rows 24 columns 100; "${process.execPath}" "${fixture}"; echo "STATUS $?"; stty -a`;
  const child = spawn('sh', ['-c', 'exec script -qfec "$0" /dev/null', command], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const end = new Promise<void>((resolve) => {
    child.once('close', () => {
      resolve();
    });
  });
  return { typed: (keys) => child.stdin.write(keys), output: () => output, end };
}

test('on a real terminal: keys work, the status is drawn in place, and the terminal comes back', async () => {
  const terminal = onTerminal();
  const shows = (text: string): Promise<true> => until(() => terminal.output().includes(text), text);
  await shows('READY');
  await shows('tick ');
  terminal.typed('r');
  await shows('KEY restart');
  terminal.typed('\u001B[A'); // an arrow: its A is no key
  terminal.typed('o');
  await shows('KEY open');
  terminal.typed('u');
  await shows('KEY refresh');
  terminal.typed('a');
  await shows('? May I? (y/n)');
  terminal.typed('y');
  await shows('SAID yes');
  terminal.typed('h');
  await shows('quit: apps run on');
  terminal.typed('c');
  await shows('\u001B[2J');
  terminal.typed('q');
  await terminal.end;
  const output = terminal.output();
  expect(output).toContain('STATUS 0');
  expect(output.lastIndexOf('\u001B[?25h')).toBeGreaterThan(output.lastIndexOf('\u001B[?25l'));
  expect(output).toMatch(/[^-]icanon/);
  expect(output).toMatch(/[^-]echo /);
});

test.each([
  ['Ctrl-C is SIGINT', '\u0003', 'GOT SIGINT', 'STATUS 0'],
  ['a fault of the program', 'x', 'a fault', 'STATUS 1'],
])('the terminal comes back after %s', async (_what, key, shown, status) => {
  const terminal = onTerminal();
  await until(() => terminal.output().includes('tick '), 'a status');
  terminal.typed(key);
  await terminal.end;
  const output = terminal.output();
  expect(output).toContain(shown);
  expect(output).toContain(status);
  expect(output).toMatch(/[^-]icanon/);
  expect(output.lastIndexOf('\u001B[?25h')).toBeGreaterThan(output.lastIndexOf('\u001B[?25l'));
});

/** Streams whose size a test sets: no terminal can be asked to be 20 columns wide at a given moment. */
function streams(columns: number, rows = 24) {
  const written: string[] = [];
  let resize: () => void = () => undefined;
  const keyboard: Keyboard = {
    isTTY: false,
    resume: () => undefined,
    pause: () => undefined,
    on: () => undefined,
    off: () => undefined,
  };
  const size = { columns, rows };
  const terminal: Terminal = {
    isTTY: true,
    get columns() {
      return size.columns;
    },
    get rows() {
      return size.rows;
    },
    write: (text) => written.push(text),
    on: (_event, listener) => {
      resize = listener;
    },
    off: () => undefined,
  };
  const screen = new LiveScreen({
    keyboard,
    terminal,
    env: { LANG: 'C.UTF-8', TERM: 'xterm' },
    onRestart: () => undefined,
    onSwitch: () => undefined,
    onRefresh: () => undefined,
    onOpen: () => undefined,
    onQuit: () => undefined,
    signal: () => undefined,
  });
  const drawn = (text: string): Promise<string> =>
    until(() => written.find((part) => stripVTControlCharacters(part).includes(text)) ?? null, text);
  return { screen, written, size, resize: () => resize(), drawn };
}

test('a narrower terminal: what it broke into several rows is erased as a whole', async () => {
  const { screen, written, size, resize, drawn } = streams(100);
  screen.update(report([attached]));
  const first = stripVTControlCharacters(await drawn('api'));
  const rows = Math.ceil(first.length / 30);
  size.columns = 30;
  resize();
  await until(() => written.length > 2, 'another drawing');
  expect(written.at(-1)).toContain(`\u001B[${String(rows - 1)}A\u001B[0J`);
  for (const line of stripVTControlCharacters(written.at(-1) ?? '').split('\n'))
    expect(line.trim().length).toBeLessThanOrEqual(30);
  screen.close();
});

test('more targets than rows: the screen does not scroll away', async () => {
  const { screen, drawn } = streams(80, 5);
  screen.update(report(Array.from({ length: 9 }, (_, n) => ({ ...attached, name: `t${String(n)}` }))));
  const text = stripVTControlCharacters(await drawn('t0'));
  expect(text.split('\n')).toHaveLength(4);
  expect(text).toContain('…');
  screen.close();
});

test('nothing new is not drawn again, and nothing comes after the end', async () => {
  const { screen, written, drawn } = streams(80);
  screen.update(report([attached]));
  await drawn('api');
  const count = written.length;
  screen.update(report([attached]));
  screen.print('a line');
  await drawn('a line');
  expect(written).toHaveLength(count + 1);
  screen.close();
  const end = written.length;
  screen.update(report([{ ...attached, name: 'late' }]));
  screen.print('late');
  screen.close();
  await new Promise((resolve) => setImmediate(resolve));
  expect(written).toHaveLength(end);
});
