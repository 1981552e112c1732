/** `wand watch -- COMMAND` on a real terminal: what is typed, sent and resized reaches the command as without wand. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockPath } from '../../src/lib/paths.ts';
import { folder, type Folder } from '../support/folder.ts';
import { allProcesses, treeOf } from '../support/invariants.ts';
import { freePort } from '../support/machine.ts';
import { python } from '../support/python.ts';
import { KEYS, Terminal } from '../support/terminal.ts';
import { until } from '../support/until.ts';
import { bin, wand } from '../support/wand.ts';

const python314 = await python('3.14');

/** Counts what it is sent; answers lines. What it does on a signal its arguments say: `SIGTERM=7` leaves with 7. */
const PROBE = `import os, select, signal, sys, time
ends = dict(part.split("=") for part in sys.argv[1:])
counts = {}
def on(number, frame):
    name = signal.Signals(number).name
    counts[name] = counts.get(name, 0) + 1
    size = os.get_terminal_size() if name == "SIGWINCH" else ()
    with open("signals", "a") as file:
        print(name, file=file)
    if name != "SIGHUP" or name not in ends:
        print("got", name, counts[name], *size, flush=True)
    if name in ends:
        os._exit(int(ends[name]))
for name in "SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGWINCH":
    signal.signal(getattr(signal, name), on)
print("probe", os.getpid(), [os.isatty(fd) for fd in (0, 1, 2)], flush=True)
while True:
    # Never blocked for long: a Python that runs nothing cannot be entered.
    if not select.select([sys.stdin], [], [], 0.02)[0]:
        continue
    line = sys.stdin.readline()
    if line == "" and "SIGHUP" in ends:
        # A closed terminal has no more input from a moment before its signal.
        time.sleep(0.02)
        continue
    if line == "":
        break
    if line.startswith("exit"):
        sys.exit(int(line.split()[1]))
    if line == "pdb\\n":
        import pdb
        answer = 40
        pdb.set_trace()
    if line == "breakpoint\\n":
        answer = 50
        breakpoint()
    print("read", line.strip(), flush=True)
print("end of input", flush=True)
`;

let project: Folder;
let terminal: Terminal;
let wandTree: readonly number[] = [];

beforeEach(async () => {
  project = await folder({ 'probe.py': PROBE });
  terminal = await Terminal.shell({ cwd: project.path });
  wandTree = [];
});

afterEach(async () => {
  await terminal[Symbol.asyncDispose]();
  await project[Symbol.asyncDispose]();
});

/** Types `wand watch -- COMMAND` and waits until its worker is entered. @returns the mark before it and wand's pid */
async function watch(command: string, before = ''): Promise<{ mark: number; pid: number }> {
  const mark = terminal.mark();
  terminal.enter(`${before}${process.execPath} ${bin()} watch --port ${String(await freePort())} -- ${command}`);
  await terminal.shows(/info .*attached: worker \d+/, mark, 40_000);
  const pid = Number((await readFile(lockPath(project.path), 'utf8')).match(/\d+/)?.[0]);
  wandTree = await treeOf(pid);
  return { mark, pid };
}

/** Neither wand nor anything below it runs, and the terminal takes lines as before. */
async function nothingIsLeft(): Promise<void> {
  const left = async (): Promise<readonly string[]> =>
    (await allProcesses()).flatMap(({ pid, command }) => (wandTree.includes(pid) ? [command] : []));
  await until(async () => (await left()).length === 0, 'all processes gone').catch(async () => {
    expect(await left()).toEqual([]);
  });
  expect(existsSync(lockPath(project.path))).toBe(false);
  expect(await terminal.modes()).toMatchObject({ canonical: true, echo: true, signals: true });
}

describe('wand watch -- COMMAND on a terminal', () => {
  it('keys, signals, size and input are the command’s, each once', async () => {
    const { mark, pid } = await watch(`${python314} probe.py`);
    await terminal.shows('[True, True, True]', mark);
    // To the whole group, as the terminal does.
    terminal.type(KEYS.interrupt);
    await terminal.shows('got SIGINT 1', mark);
    terminal.type(KEYS.quit);
    await terminal.shows('got SIGQUIT 1', mark);
    terminal.resize(30, 100);
    await terminal.shows('got SIGWINCH 1 100 30', mark);
    // To wand alone.
    process.kill(pid, 'SIGUSR1');
    await terminal.shows('got SIGUSR1 1', mark);
    process.kill(pid, 'SIGHUP');
    await terminal.shows('got SIGHUP 1', mark);
    terminal.enter('hello');
    await terminal.shows('read hello', mark);
    // A debugger that prompts: nobody took its place.
    for (const [asked, answer] of [
      ['pdb', 42],
      ['breakpoint', 52],
    ] as const) {
      const prompted = terminal.mark();
      terminal.enter(asked);
      await terminal.shows('(Pdb) ', prompted);
      terminal.enter('p answer + 2');
      await terminal.shows(`${String(answer)}\r\n`, prompted);
      terminal.enter('c');
      await terminal.shows(`read ${asked}`, prompted);
    }
    // Stopped and continued as one job.
    const stopped = terminal.mark();
    terminal.type(KEYS.suspend);
    expect(await terminal.prompt(stopped)).toBe(148);
    const states = await Promise.all(
      (await treeOf(pid)).map(async (one) => (await readFile(`/proc/${String(one)}/stat`, 'utf8')).split(') ')[1]?.[0]),
    );
    // wand, its witness of signals and the command; the agent, which has a session of its own, only waits.
    expect(states.filter((state) => state === 'T')).toHaveLength(3);
    terminal.enter('fg');
    terminal.enter('again');
    await terminal.shows('read again', stopped);
    const leaving = terminal.mark();
    terminal.enter('exit 5');
    expect(await terminal.prompt(leaving)).toBe(5);
    const signals = (await readFile(project.at('signals'), 'utf8')).trim().split('\n');
    expect(signals).toEqual(['SIGINT', 'SIGQUIT', 'SIGWINCH', 'SIGUSR1', 'SIGHUP']);
    // No advice for what is over.
    expect(terminal.output.slice(leaving)).not.toContain('wand restart');
    await nothingIsLeft();
  });

  it('ends by the signal that ended the command, so that the script which called it ends, too', async () => {
    await project.write({
      'dev.sh': `"$@"\necho next\n`,
      'loop.py': 'import time\nwhile True:\n    time.sleep(0.02)\n',
    });
    const { mark } = await watch(`${python314} loop.py`, 'bash dev.sh ');
    terminal.type(KEYS.interrupt);
    expect(await terminal.prompt(mark)).toBe(130);
    expect(terminal.output.slice(mark)).not.toContain('next\r\n');
    await nothingIsLeft();
  });

  it('a command that takes no hint stays until `wand stop`, or its own end', async () => {
    const { mark, pid } = await watch(`${python314} probe.py`);
    // To wand alone, each; twice is the same wish, as npm and a terminal send it.
    process.kill(pid, 'SIGINT');
    await terminal.shows('got SIGINT 1', mark);
    process.kill(pid, 'SIGINT');
    process.kill(pid, 'SIGTERM');
    await terminal.shows('got SIGTERM 1', mark);
    expect(await readFile(project.at('signals'), 'utf8')).toBe('SIGINT\nSIGTERM\n');
    const { code } = await wand(['stop'], { cwd: project.path });
    expect(code).toBe(0);
    expect(await terminal.prompt(mark)).toBe(0);
    await nothingIsLeft();
  });

  it('a shell’s children end with it when it was told to', async () => {
    const { mark, pid } = await watch(`sh -c '${python314} probe.py SIGTERM=0; true'`);
    process.kill(pid, 'SIGTERM');
    expect(await terminal.prompt(mark)).toBe(143);
    expect(await readFile(project.at('signals'), 'utf8')).toBe('SIGTERM\n');
    await nothingIsLeft();
  });

  it('a closed window ends the command by one hang-up', async () => {
    await watch(`${python314} probe.py SIGHUP=4`);
    terminal.hangUp();
    await until(() => existsSync(project.at('signals')), 'the signal');
    await terminal.exited;
    await until(() => !existsSync(lockPath(project.path)), 'wand is gone');
    expect(await readFile(project.at('signals'), 'utf8')).toBe('SIGHUP\n');
  });

  it('input may be a pipe, while the rest is the terminal', async () => {
    await project.write({ lines: 'one\n' });
    const { mark } = await watch(`${python314} probe.py`, '(cat lines; read -r _ < /dev/tty) | ');
    await terminal.shows('[False, True, True]', mark);
    await terminal.shows('read one', mark);
    // The end of the pipe.
    terminal.enter('');
    expect(await terminal.prompt(mark)).toBe(0);
    await terminal.shows('end of input', mark);
    await nothingIsLeft();
  });
});

describe('wand watch on a terminal', () => {
  it('gives the terminal back as it was, and takes it again after a pause', async () => {
    await project.write({
      'debugwand.config.json': JSON.stringify({
        targets: { app: { process: { match: 'nobody-is-called-so' }, port: await freePort() } },
        notify: false,
      }),
    });
    const mark = terminal.mark();
    terminal.enter(`${process.execPath} ${bin()} watch`);
    await terminal.shows('q quit', mark);
    expect(await terminal.modes()).toMatchObject({ canonical: false, echo: false });
    const stopped = terminal.mark();
    terminal.type(KEYS.suspend);
    expect(await terminal.prompt(stopped)).toBe(148);
    expect(await terminal.modes()).toMatchObject({ canonical: true, echo: true, signals: true });
    terminal.enter('fg');
    await until(async () => !(await terminal.modes()).canonical, 'it has the terminal again');
    terminal.type(KEYS.interrupt);
    expect(await terminal.prompt(stopped + 40)).toBe(0);
    await nothingIsLeft();
    // The cursor is shown again.
    expect(terminal.output.lastIndexOf('\u001B[?25h')).toBeGreaterThan(terminal.output.lastIndexOf('\u001B[?25l'));
  });
});
