// Owns one stream to an agent, from its magic word to its one end: frames come out, bytes go in. Must not know what the
// frames mean, nor whether another stream takes its place.
import { messageOf } from '../lib/errors.ts';
import type { ExecStream } from '../targets/target.ts';
import { FrameDecoder, MagicFinder, type Frame } from './framing.ts';

const STDERR_TAIL = 4_096;
/** A stream that ended: so long its program's status is waited for, ms. */
const STATUS_MS = 300;

/** How a stream ended. */
export interface Loss {
  /** In words. */
  readonly why: string;
  /** The program's exit status; null: the wire was cut, or nobody knows. */
  readonly code: number | null;
}

export interface AttachmentHooks {
  /** The magic word came. */
  readonly onOpen?: () => void;
  readonly onFrames: (frames: readonly Frame[], bytes: number) => void;
  /** Once, last. Not after `close`. */
  readonly onLost: (loss: Loss) => void;
}

export class Attachment {
  readonly #stream: ExecStream;
  readonly #hooks: AttachmentHooks;
  readonly #decoder = new FrameDecoder();
  readonly #finder: MagicFinder;
  #open = false;
  #ended = false;
  #suspected = false;
  #stderr = '';

  constructor(stream: ExecStream, magic: string, hooks: AttachmentHooks) {
    this.#stream = stream;
    this.#hooks = hooks;
    this.#finder = new MagicFinder(magic);
    stream.stdout.on('data', (chunk: Buffer) => {
      if (!this.#ended) this.#receive(chunk);
    });
    stream.stderr.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString('utf8')).slice(-STDERR_TAIL);
    });
    for (const part of [stream.stdin, stream.stdout, stream.stderr]) {
      part.on('error', (error: Error) => {
        this.#suspect(messageOf(error));
      });
    }
    // One that is destroyed has no end.
    for (const event of ['end', 'close']) {
      stream.stdout.on(event, () => {
        this.#suspect('the connection was cut');
      });
    }
    void stream.exit.then(({ code, error }) => {
      if (error !== undefined) this.#lost({ why: messageOf(error), code });
      else this.#lost({ why: code === null ? 'the connection was cut' : `the agent ended with status ${code}`, code });
    });
  }

  /** The last of what was said on standard error, or instead of the magic word. */
  get tail(): string {
    return this.#stderr === '' && !this.#open ? this.#finder.junk.slice(-STDERR_TAIL) : this.#stderr;
  }

  /** Whether there is room for more. */
  write(bytes: Uint8Array): boolean {
    const { stdin } = this.#stream;
    return this.#ended || stdin.destroyed || stdin.writableEnded || stdin.write(bytes);
  }

  onDrain(drained: () => void): void {
    this.#stream.stdin.on('drain', drained);
  }

  pause(paused: boolean): void {
    if (paused) this.#stream.stdout.pause();
    else this.#stream.stdout.resume();
  }

  /** Nothing more goes in: the program leaves in order. */
  endInput(): void {
    this.#stream.stdin.end();
  }

  /** Cuts the wire; nothing is heard of it any more. Idempotent. */
  close(): void {
    this.#ended = true;
    this.#stream.close();
    this.#stream.stdout.resume();
  }

  #receive(chunk: Buffer): void {
    let bytes: Buffer = chunk;
    if (!this.#open) {
      try {
        const after = this.#finder.push(chunk);
        if (after === null) return;
        bytes = after;
      } catch (error) {
        this.#lost({ why: messageOf(error), code: 0 });
        return;
      }
      this.#open = true;
      this.#hooks.onOpen?.();
    }
    const frames = this.#decoder.push(bytes);
    this.#hooks.onFrames(frames, bytes.length);
  }

  /** It broke, or ended: its status, which says more, may be about to come. */
  #suspect(why: string): void {
    if (this.#ended || this.#suspected) return;
    this.#suspected = true;
    setTimeout(() => {
      this.#lost({ why, code: null });
    }, STATUS_MS).unref();
  }

  #lost(loss: Loss): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#hooks.onLost(loss);
  }
}
