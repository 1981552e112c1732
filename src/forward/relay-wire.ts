// Owns the other wire of a relay: a connection to where its program listens, instead of the program's own streams.
// Must not know what is said on it.
import type { Duplex } from 'node:stream';
import { DebugwandError } from '../lib/errors.ts';
import type { ExecStream } from '../targets/target.ts';
import * as wire from './wire.ts';

const LISTEN_MS = 15_000;

export interface RelayProgram {
  readonly stream: ExecStream;
  /** What it reads first: `relayCommand().bytes`, with the token. */
  readonly bundle: Uint8Array;
}

/**
 * Has a relay's program listen, and connects to it. The program is ended with the connection, and with a failure.
 * @param dial a connection to a port of the program's loopback
 * @throws whatever `dial` throws; DebugwandError `agent-handshake` when the program does not listen
 */
export async function dialledWire(
  { stream, bundle }: RelayProgram,
  dial: (port: number, signal: AbortSignal) => Promise<Duplex>,
  signal: AbortSignal,
): Promise<ExecStream> {
  try {
    const port = await listening(stream, bundle, signal);
    const connection = await dial(port, signal);
    const gone = new Promise<{ readonly code: null }>((resolve) => {
      for (const event of ['end', 'close']) {
        connection.once(event, () => {
          resolve({ code: null });
        });
      }
    });
    return {
      stdin: connection,
      stdout: connection,
      stderr: stream.stderr,
      exit: Promise.race([gone, stream.exit]),
      close: () => {
        connection.destroy();
        stream.close();
      },
    };
  } catch (error) {
    stream.close();
    throw error;
  }
}

function listening(stream: ExecStream, bundle: Uint8Array, signal: AbortSignal): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let said = '';
  const decoder = new wire.Decoder(({ kind, body }) => {
    if (kind === wire.LISTENING && body.length === 2) resolve(body.readUInt16BE(0));
  });
  const fail = (): void => {
    const why = (said === '' ? decoder.junk : said).trim().split('\n').at(-1) ?? '';
    const message = `the relay of forwarded ports does not listen${why === '' ? '' : `: ${why}`}`;
    const fix = 'its program runs on the Python of the target: see that one may be run there';
    reject(new DebugwandError({ code: 'agent-handshake', message, fix }));
  };
  stream.stdout.on('data', (chunk: Buffer) => {
    try {
      decoder.push(chunk);
    } catch {
      fail();
    }
  });
  stream.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString('utf8')).slice(-2_048);
  });
  for (const part of [stream.stdin, stream.stdout, stream.stderr]) part.on('error', fail);
  void stream.exit.then(fail);
  const timer = setTimeout(fail, LISTEN_MS);
  signal.addEventListener('abort', fail);
  if (signal.aborted) fail();
  stream.stdin.write(bundle);
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener('abort', fail);
  });
}
