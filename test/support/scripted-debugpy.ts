/**
 * The debugpy of one worker, for what a real one cannot be made to do: it says yes to everything at once, leaves what it is
 * told to leave unanswered, and says what the test wants, when it wants it.
 */
import { Duplex } from 'node:stream';
import { encodeFrame, FrameDecoder, MAX_BODY_BYTES } from '../../src/dap/framing.ts';
import { parseMessage, type DapRequest } from '../../src/dap/messages.ts';
import type { WorkerLink } from '../../src/dap/keeper.ts';

export class ScriptedDebugpy {
  readonly asked: string[] = [];
  /** Commands that get no answer. */
  readonly mute: ReadonlySet<string>;
  readonly #decoder = new FrameDecoder({ maxBodyBytes: MAX_BODY_BYTES, oversized: 'fail' });
  readonly #unanswered: DapRequest[] = [];
  readonly stream: Duplex;
  #seq = 0;

  constructor(mute: readonly string[] = []) {
    this.mute = new Set(mute);
    this.stream = new Duplex({
      read: () => undefined,
      write: (bytes: Buffer, _encoding, done) => {
        for (const frame of this.#decoder.push(bytes)) this.#heard(frame.kind === 'body' ? frame.text : '');
        done();
      },
    });
  }

  link(generation: number): WorkerLink {
    const pid = generation;
    const facts = { name: `worker ${String(pid)}`, pid, generation, pathMappings: [], seenAt: 0, startedAt: 0 };
    return { ...facts, open: () => Promise.resolve(this.stream) };
  }

  event(event: string, body: object = {}): void {
    this.#send({ type: 'event', event, body });
  }

  /** Answers what it left unanswered. */
  answer(): void {
    for (const request of this.#unanswered.splice(0)) this.#answer(request);
  }

  #heard(text: string): void {
    const message = parseMessage(text);
    if (message?.type !== 'request') return;
    this.asked.push(message.command);
    if (message.command === 'attach') this.event('initialized');
    if (this.mute.has(message.command)) this.#unanswered.push(message);
    else this.#answer(message);
  }

  #answer({ seq, command }: DapRequest): void {
    const body = command === 'threads' ? { threads: [{ id: 1, name: 'MainThread' }] } : {};
    this.#send({ type: 'response', request_seq: seq, command, success: true, body });
  }

  #send(message: object): void {
    this.stream.push(encodeFrame(JSON.stringify({ seq: ++this.#seq, ...message })));
  }
}
