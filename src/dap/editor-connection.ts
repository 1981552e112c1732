// Owns one accepted socket on the editor's port: framing, numbering, deadlines, back-pressure. Does not know whether it
// is the editor, a second one, or no editor at all.
import type { Socket } from 'node:net';
import { messageOf } from '../lib/errors.ts';
import { encodeFrame, FrameDecoder, MAX_BODY_BYTES, type Frame } from './framing.ts';
import { event, parseMessage, type DapRequest, type DapResponse, type JsonObject, type Outgoing } from './messages.ts';

/** How long a new connection may take for its first whole message. */
export const FIRST_MESSAGE_MS = 10_000;
/** `initialize` is a few hundred bytes; a stranger gets no more memory than this. */
const MAX_FIRST_BYTES = 64 * 1024;
const MAX_ATTACH_BYTES = 1024 * 1024;
/** Over this much unread by the editor, output is dropped; over the next, debugpy is read no further. */
const MAX_UNREAD_OUTPUT_BYTES = 4 * 1024 * 1024;
const MAX_UNREAD_BYTES = 16 * 1024 * 1024;

export interface EditorConnectionEvents {
  request(request: DapRequest): void;
  /** To a request of ours. */
  response(response: DapResponse): void;
  /** Once, last. */
  gone(why: string): void;
  /** The editor has read what was too much. */
  drained(): void;
}

export class EditorConnection {
  readonly #socket: Socket;
  readonly #events: EditorConnectionEvents;
  readonly #decoder = new FrameDecoder({ maxBodyBytes: MAX_FIRST_BYTES, oversized: 'fail' });
  readonly #deadline: NodeJS.Timeout;
  #seq = 0;
  #dropped = 0;
  #ended = false;

  constructor(socket: Socket, events: EditorConnectionEvents, firstMessageMs: number) {
    this.#socket = socket;
    this.#events = events;
    this.#deadline = setTimeout(() => this.#end('no message within the time'), firstMessageMs);
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('drain', () => this.#drained());
    socket.on('error', (error) => this.#end(messageOf(error)));
    socket.on('end', () => this.#end('it closed the connection'));
    socket.on('close', () => this.#end('the connection was closed'));
  }

  /** It began as an editor does; its `attach`, with all that the first session's had, says which session it is for. */
  hearAttach(): void {
    this.#decoder.limit({ maxBodyBytes: MAX_ATTACH_BYTES, oversized: 'fail' });
  }

  /** From now on it is the editor: messages may be as long as debugpy takes them. */
  accept(): void {
    clearTimeout(this.#deadline);
    this.#decoder.limit({ maxBodyBytes: MAX_BODY_BYTES, oversized: 'fail' });
  }

  /** The editor reads so slowly that nothing more should be fetched for it until `drained`. */
  get congested(): boolean {
    return this.#socket.writableLength > MAX_UNREAD_BYTES;
  }

  /** Sends messages in one write. Output that nobody reads is dropped and counted. */
  send(messages: readonly Outgoing[]): void {
    if (this.#ended || !this.#socket.writable) return;
    this.#socket.cork();
    for (const message of messages) {
      const isOutput = message.type === 'event' && message.event === 'output';
      if (isOutput && this.#socket.writableLength > MAX_UNREAD_OUTPUT_BYTES) this.#dropped += 1;
      else this.#write(message);
    }
    this.#socket.uncork();
  }

  /** Sends a request of ours. @returns its seq */
  ask(command: string, args: JsonObject): number {
    this.send([{ type: 'request', command, arguments: args }]);
    return this.#seq;
  }

  pause(paused: boolean): void {
    if (paused) this.#socket.pause();
    else this.#socket.resume();
  }

  /**
   * Ends it once everything is written; by force when the other side does not take it. `readMs`: it may hang up itself
   * before, since some clients (nvim-dap) forget a message that they have not looked at when the end of the stream comes.
   */
  finish(forceMs: number, readMs = 0): void {
    if (this.#ended) return;
    if (readMs > 0) return void setTimeout(() => this.finish(forceMs), readMs).unref();
    this.#socket.end();
    setTimeout(() => this.#end('finished'), forceMs).unref();
  }

  destroy(why: string): void {
    this.#end(why);
  }

  #write(message: Outgoing): void {
    this.#seq += 1;
    this.#socket.write(encodeFrame(JSON.stringify({ seq: this.#seq, ...message })));
  }

  #drained(): void {
    if (this.#dropped > 0) {
      const text = `debugwand: ${String(this.#dropped)} output messages were dropped, the editor did not read them\n`;
      this.#dropped = 0;
      this.send([event('output', { category: 'console', output: text })]);
    }
    this.#events.drained();
  }

  #read(chunk: Uint8Array): void {
    let frames: Frame[];
    try {
      frames = this.#decoder.push(chunk);
    } catch (error) {
      return this.#end(messageOf(error));
    }
    for (const frame of frames) {
      if (this.#ended) return;
      const message = frame.kind === 'body' ? parseMessage(frame.text) : null;
      if (message === null) return this.#end('a message that is no DAP message');
      if (message.type === 'request') this.#events.request(message);
      else if (message.type === 'response') this.#events.response(message);
    }
  }

  #end(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#deadline);
    this.#socket.destroy();
    this.#events.gone(why);
  }
}
