// Owns the log: the only importer of pino. A file of bounded size, and the same lines to whoever listens (the UI).
// Writing never fails for the one who logs: a full disk is no reason for a daemon to end.
import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';
import pino from 'pino';
import type { Level, LogEntry } from './log-line.ts';
import { indented } from './log-line.ts';

/** Text only, one sentence; names of targets stand in front: `api: worker 43 entered`. */
export interface Log {
  debug(text: string): void;
  info(text: string): void;
  warn(text: string): void;
  error(text: string): void;
}

export interface FileLog extends Log {
  /** Calls with each entry from now on; returns the way to stop that. */
  listen(listener: (entry: LogEntry) => void): () => void;
  /** Safe to call twice; what is logged later goes nowhere. */
  close(): Promise<void>;
}

export interface LogLimits {
  /** A file that has grown to this is moved aside, bytes. */
  readonly fileBytes: number;
  /** How many moved ones are kept: FILE.1 (the newest), FILE.2, … */
  readonly keep: number;
}

const LIMITS: LogLimits = { fileBytes: 4 * 1024 * 1024, keep: 2 };
const MAX_TEXT = 16_384;

/** JSON lines `{"level":"info","time":"2026-…Z","pid":1,"msg":"…"}` in `path`, readable for its owner only. */
export function createLog(path: string, limits: LogLimits = LIMITS): FileLog {
  const file = new RotatingFile(path, limits);
  const logger = pino(
    {
      level: 'debug',
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    file,
  );
  const listeners = new Set<(entry: LogEntry) => void>();
  const write = (level: Level, text: string): void => {
    const bounded = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
    logger[level](bounded);
    const entry = { level, at: Date.now(), text: bounded };
    for (const listener of listeners) listener(entry);
  };
  return {
    ...levels(write),
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      listeners.clear();
      file.close();
      return Promise.resolve();
    },
  };
}

/** For one-shot commands: what takes long and what goes wrong, on stderr. */
export function stderrLog(): Log {
  return levels((level, text) => {
    if (level === 'debug') return;
    process.stderr.write(`wand: ${level === 'info' ? '' : `${level}: `}${indented(text)}\n`);
  });
}

export function silentLog(): Log {
  return levels(() => undefined);
}

function levels(write: (level: Level, text: string) => void): Log {
  return {
    debug: (text) => write('debug', text),
    info: (text) => write('info', text),
    warn: (text) => write('warn', text),
    error: (text) => write('error', text),
  };
}

/** Appends whole lines, synchronously: the last words before a crash are the ones that matter. */
class RotatingFile {
  readonly #path: string;
  readonly #limits: LogLimits;
  #file: number | null = null;
  #size = 0;
  #closed = false;

  constructor(path: string, limits: LogLimits) {
    this.#path = path;
    this.#limits = limits;
  }

  write(line: string): void {
    if (this.#closed) return;
    try {
      const bytes = Buffer.byteLength(line);
      if (this.#file !== null && this.#size > 0 && this.#size + bytes > this.#limits.fileBytes) this.#rotate();
      this.#file ??= this.#open();
      writeSync(this.#file, line);
      this.#size += bytes;
    } catch {
      this.#closeFile();
    }
  }

  close(): void {
    this.#closed = true;
    this.#closeFile();
  }

  #open(): number {
    const file = openSync(this.#path, 'a', 0o600);
    this.#size = fstatSync(file).size;
    return file;
  }

  #rotate(): void {
    this.#closeFile();
    for (let index = this.#limits.keep; index > 0; index -= 1) {
      const from = index === 1 ? this.#path : `${this.#path}.${String(index - 1)}`;
      try {
        renameSync(from, `${this.#path}.${String(index)}`);
      } catch {
        // Not there yet.
      }
    }
  }

  #closeFile(): void {
    if (this.#file === null) return;
    const file = this.#file;
    this.#file = null;
    try {
      closeSync(file);
    } catch {
      // Nothing is left to close.
    }
  }
}
