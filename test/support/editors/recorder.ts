/** A port between an editor and wand that passes all bytes on as they are, and keeps what was said. One editor at a time. */
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { FrameDecoder, MAX_BODY_BYTES } from '../../../src/dap/framing.ts';
import type { DapEntry, Entry, StageAction } from './conversation.ts';

export class Recorder {
  readonly entries: Entry[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param to the port of the target */
  static async start(to: number): Promise<Recorder> {
    const server = createServer();
    const recorder = new Recorder(server);
    server.on('connection', (editor) => {
      const wand = createConnection({ host: '127.0.0.1', port: to });
      recorder.#pass('editor', editor, wand);
      recorder.#pass('wand', wand, editor);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return recorder;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** What the story does, in its place among the messages. */
  note(action: StageAction): void {
    this.entries.push({ from: 'stage', action });
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #pass(from: 'editor' | 'wand', source: Socket, sink: Socket): void {
    const decoder = new FrameDecoder({ maxBodyBytes: MAX_BODY_BYTES, oversized: 'fail' });
    this.#sockets.add(source);
    source.setNoDelay(true);
    source.on('data', (chunk) => {
      for (const frame of decoder.push(chunk)) {
        if (frame.kind === 'body') this.entries.push({ from, message: JSON.parse(frame.text) as DapEntry });
      }
      sink.write(chunk);
    });
    source.on('end', () => sink.end());
    source.on('error', () => sink.destroy());
    source.on('close', () => this.#sockets.delete(source));
  }
}
