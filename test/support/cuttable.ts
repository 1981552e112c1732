/** Execs whose wires break on command, as those of a container engine do: what was under way is lost, both ends live on. */
import { PassThrough, Writable } from 'node:stream';
import type { ExecStream } from '../../src/targets/target.ts';

type Opener = (argv: readonly string[], signal: AbortSignal) => Promise<ExecStream>;

interface Wire {
  readonly cut: () => void;
  readonly freeze: (frozen: boolean) => void;
}

/** All streams that were opened through it. */
export class Cuttable {
  readonly #opener: Opener;
  readonly #wires = new Set<Wire>();
  /** What the next opening fails with. */
  refuse: Error | null = null;
  /** Openings so far, also those that failed. */
  opened = 0;
  /** The next wire is cut after so many bytes, both ways counted. */
  bytesLeft = Infinity;

  constructor(opener: Opener) {
    this.#opener = opener;
  }

  readonly open = async (argv: readonly string[], signal: AbortSignal): Promise<ExecStream> => {
    this.opened += 1;
    if (this.refuse !== null) throw this.refuse;
    const inner = await this.#opener(argv, signal);
    const left = this.bytesLeft;
    this.bytesLeft = Infinity;
    return this.#wrap(inner, left);
  };

  /** The daemon sees an end without a status, the agent the end of its standard input; its output goes nowhere. */
  cut(): void {
    for (const wire of this.#wires) wire.cut();
  }

  /** Nothing passes any more, and nobody is told. */
  freeze(frozen: boolean): void {
    for (const wire of this.#wires) wire.freeze(frozen);
  }

  #wrap(inner: ExecStream, bytes: number): ExecStream {
    const exit = Promise.withResolvers<{ code: number | null; error?: unknown }>();
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    let left = bytes;
    let state: 'open' | 'frozen' | 'cut' = 'open';
    const held: (() => void)[] = [];
    const wire: Wire = {
      cut: () => {
        if (state === 'cut') return;
        state = 'cut';
        this.#wires.delete(wire);
        inner.stdin.destroy();
        stdout.end();
        stderr.end();
        exit.resolve({ code: null });
      },
      freeze: (frozen) => {
        if (state === 'cut') return;
        state = frozen ? 'frozen' : 'open';
        if (!frozen) for (const pass of held.splice(0)) pass();
      },
    };
    /** As much of it as gets through. */
    const through = (chunk: Buffer, pass: (part: Buffer) => void): void => {
      const part = chunk.subarray(0, left);
      left -= part.length;
      if (part.length > 0) pass(part);
      if (left === 0) wire.cut();
    };
    const whenOpen = (pass: () => void): void => {
      if (state === 'open') pass();
      else if (state === 'frozen') held.push(pass);
    };
    this.#wires.add(wire);
    const stdin = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        if (state === 'cut') {
          done();
          return;
        }
        whenOpen(() => {
          through(chunk, (part) => {
            if (!inner.stdin.destroyed) inner.stdin.write(part);
          });
          done();
        });
      },
      final: (done) => {
        if (!inner.stdin.destroyed) inner.stdin.end();
        done();
      },
    });
    inner.stdin.on('error', () => undefined);
    // It is always read: a container engine throws away what nobody is there to take.
    inner.stdout.on('data', (chunk: Buffer) => {
      whenOpen(() => {
        through(chunk, (part) => stdout.write(part));
      });
    });
    inner.stderr.on('data', (chunk: Buffer) => stderr.write(chunk));
    void inner.exit.then(({ code }) => {
      this.#wires.delete(wire);
      if (state === 'cut') return;
      state = 'cut';
      stdout.end();
      exit.resolve({ code });
    });
    return { stdin, stdout, stderr, exit: exit.promise, close: wire.cut };
  }
}
