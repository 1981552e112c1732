// Owns the terminal while `wand watch` is live: the status at the bottom, drawn anew, lines of the log scrolling above
// it, keys, and giving the terminal back as it was. What the lines say is terminal.ts.
import { stripVTControlCharacters } from 'node:util';
import type { StatusReport } from '../core/status.ts';
import { Questions } from './questions.ts';
import { outputStyle, type Style } from './style.ts';
import { statusLines } from './terminal.ts';
import { cut, widthOf, wrap } from './width.ts';

/** `process.stdin` fits. */
export interface Keyboard {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
  resume(): unknown;
  pause(): unknown;
  on(event: 'data', listener: (chunk: Buffer | string) => void): unknown;
  off(event: 'data', listener: (chunk: Buffer | string) => void): unknown;
}

/** `process.stdout` fits. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

export interface LiveOptions {
  readonly keyboard: Keyboard;
  readonly terminal: Terminal;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `r`: commands are started anew, workers are entered anew. */
  readonly onRestart: () => void;
  /** `w`: sessions move to the next worker. */
  readonly onSwitch: () => void;
  /** `u`: look at containers and processes now. */
  readonly onRefresh: () => void;
  /** `o`: the status page. */
  readonly onOpen: () => void;
  /** `q`. */
  readonly onQuit: () => void;
  /** Raw mode takes the signals of Ctrl-C, Ctrl-\ and Ctrl-Z away from the terminal; they come from here instead. */
  readonly signal: (name: NodeJS.Signals) => void;
}

const HIDE_CURSOR = '\u001B[?25l';
const SHOW_CURSOR = '\u001B[?25h';
const ERASE_BELOW = '\u001B[0J';
const CLEAR_ALL = '\u001B[2J\u001B[3J\u001B[H';
/** Changes within this are one drawing, ms. */
const FRAME_MS = 40;
const TICK_MS = 1_000;
/** Where a terminal does not know its own size. */
const DEFAULT_ROWS = 24;

const HELP: readonly (readonly [string, string])[] = [
  ['h', 'this help, on and off'],
  ['r', 'restart: commands start anew, workers are entered anew'],
  ['w', 'worker: the debug session moves to the next one'],
  ['u', 'update: look at containers and processes now'],
  ['o', 'open the status page in the browser'],
  ['c', 'clear the screen'],
  ['q', 'quit: apps run on, commands that wand started end'],
];

/** Takes the terminal at once, gives it back in `close`, and when the process ends without it. */
export class LiveScreen {
  readonly #options: LiveOptions;
  #report: StatusReport | null = null;
  #drawn: readonly string[] = [];
  #pending: string[] = [];
  #timer: NodeJS.Timeout | null = null;
  /** While somebody counts down. */
  #tick: NodeJS.Timeout | null = null;
  #help = false;
  readonly #questions = new Questions(() => this.#schedule());
  #open = true;

  constructor(options: LiveOptions) {
    this.#options = options;
    const { keyboard, terminal } = options;
    this.#grab();
    keyboard.on('data', this.#onData);
    terminal.on('resize', this.#onResize);
    process.on('exit', this.#release);
    process.on('SIGCONT', this.#onContinue);
  }

  update(report: StatusReport): void {
    this.#report = report;
    const counts = report.targets.some(({ pause }) => pause !== null && pause.until !== null);
    if (!counts) this.#stopTick();
    else this.#tick ??= setInterval(() => this.#schedule(), TICK_MS);
    this.#schedule();
  }

  /** A line that stays, above the status. It may have line breaks and colours. */
  print(line: string): void {
    this.#pending.push(line);
    this.#schedule();
  }

  /** Whether somebody is there to answer. */
  get asks(): boolean {
    return this.#options.keyboard.isTTY === true;
  }

  /** Shows the question until it is answered by a key. */
  ask(question: string, signal: AbortSignal): Promise<boolean> {
    return this.#questions.ask(question, signal);
  }

  /** The last status stays on the screen, the cursor below it. */
  close(): void {
    if (!this.#open) return;
    this.#questions.close();
    this.#draw(true);
    this.#open = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#stopTick();
    const { keyboard, terminal } = this.#options;
    keyboard.off('data', this.#onData);
    terminal.off('resize', this.#onResize);
    process.off('exit', this.#release);
    process.off('SIGCONT', this.#onContinue);
    this.#release();
    keyboard.pause();
  }

  #grab(): void {
    const { keyboard, terminal } = this.#options;
    if (keyboard.isTTY === true) {
      keyboard.setRawMode?.(true);
      keyboard.resume();
    }
    terminal.write(HIDE_CURSOR);
  }

  readonly #release = (): void => {
    const { keyboard, terminal } = this.#options;
    try {
      if (keyboard.isTTY === true) keyboard.setRawMode?.(false);
      terminal.write(`${this.#drawn.length > 0 ? '\n' : ''}${SHOW_CURSOR}`);
    } catch {
      // The terminal is gone: there is nothing to give back.
    }
    this.#drawn = [];
  };

  readonly #onContinue = (): void => {
    this.#grab();
    this.#schedule();
  };

  readonly #onResize = (): void => {
    this.#schedule();
  };

  readonly #onData = (chunk: Buffer | string): void => {
    for (const key of keysIn(chunk.toString())) this.#onKey(key);
  };

  #onKey(key: string): void {
    const { onRestart, onSwitch, onRefresh, onOpen, onQuit, signal } = this.#options;
    switch (key) {
      case 'h':
      case '?':
        this.#help = !this.#help;
        this.#schedule();
        break;
      case 'r':
        onRestart();
        break;
      case 'w':
        onSwitch();
        break;
      case 'u':
        onRefresh();
        this.#schedule();
        break;
      case 'o':
        onOpen();
        break;
      case 'c':
        this.#options.terminal.write(CLEAR_ALL);
        this.#drawn = [];
        this.#schedule();
        break;
      case 'y':
      case 'n':
        this.#questions.answer(key === 'y');
        break;
      case 'q':
        onQuit();
        break;
      case '\u0003':
        signal('SIGINT');
        break;
      case '\u001C':
        signal('SIGQUIT');
        break;
      case '\u001A':
        this.#release();
        signal('SIGTSTP');
        break;
      default:
    }
  }

  #stopTick(): void {
    if (this.#tick !== null) clearInterval(this.#tick);
    this.#tick = null;
  }

  #schedule(): void {
    if (!this.#open) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#draw();
    }, FRAME_MS);
  }

  /** `last`: what stays on the screen, so without what can be pressed. */
  #draw(last = false): void {
    if (!this.#open) return;
    const { terminal, env } = this.#options;
    const style = outputStyle(terminal, env);
    const block = this.#block(style, last);
    const lines = this.#pending;
    if (
      lines.length === 0 &&
      this.#drawn.length === block.length &&
      this.#drawn.every((line, i) => line === block[i])
    ) {
      return;
    }
    this.#pending = [];
    const above = lines.map((line) => `${line}\n`).join('');
    // One write: a terminal that shows half of it flickers.
    terminal.write(`${this.#toTop(style.width)}${ERASE_BELOW}${above}${block.join('\n')}`);
    this.#drawn = block;
  }

  #block(style: Style, last: boolean): string[] {
    const status = this.#report === null ? [] : statusLines(this.#report, style, Date.now());
    const { keyboard, terminal } = this.#options;
    const keys = keyboard.isTTY === true;
    const help = HELP.map(([key, text]) => `  ${key}  ${text}`);
    const question = this.#questions.current;
    const asked = question === null || last ? [] : wrap(`? ${question} (y/n)`, style.width, '  ');
    const hint = this.#report?.daemon.page === null ? 'h help  q quit' : 'h help  o status page  q quit';
    const footer = !keys || last ? [] : this.#help ? help : [hint];
    const room = (terminal.rows === undefined || terminal.rows < 2 ? DEFAULT_ROWS : terminal.rows) - 1;
    const faint = (line: string): string => (style.color ? `\u001B[2m${line}\u001B[0m` : line);
    const block = [...status, ...asked, ...footer.map((line) => faint(cut(line, style.width, '')))];
    return block.length <= room ? block : [...block.slice(0, room - 1), '…'];
  }

  /** To the first column of the first line of what was drawn; a narrower terminal has broken its lines since. */
  #toTop(width: number): string {
    if (this.#drawn.length === 0) return '';
    const rows = this.#drawn.reduce((sum, line) => {
      const columns = widthOf(stripVTControlCharacters(line));
      return sum + Math.max(1, Math.ceil(columns / width));
    }, 0);
    return rows === 1 ? '\r' : `\r\u001B[${String(rows - 1)}A`;
  }
}

/** Without the sequences of arrows, function keys and the mouse, whose letters are no keys. */
function keysIn(text: string): string[] {
  const [first = '', ...escaped] = text.split('\u001B');
  const rest = escaped.map((part) => part.replace(/^(\[[\d;?<]*[@-~]|O[A-Za-z]|.)/, ''));
  return [first, ...rest].join('').split('');
}
