// Owns the control socket of the daemon: one JSON object per line each way, 0600, in the user's runtime directory.
// A request is `{"command": "...", ...}`; the answer `{"ok": true, "result": …}` or `{"ok": false, "error": {...}}`.
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { asDebugwandError } from '../lib/errors.ts';

/** Longest request line, bytes: nothing that we understand is near it. */
const MAX_REQUEST_BYTES = 64 * 1024;
/** A peer that has not sent a whole line by then is closed, ms; one that does not take its answer, after the second. */
const REQUEST_DEADLINE_MS = 5_000;
const ANSWER_DEADLINE_MS = 30_000;
const MAX_PEERS = 64;

export interface ControlRequest {
  readonly command: string;
  readonly [name: string]: unknown;
}

export type ControlHandler = (request: ControlRequest) => Promise<unknown>;

/** Listens on `path`. @returns a function that closes the socket, its peers, and removes the file. */
export async function listenControl(path: string, handle: ControlHandler): Promise<() => Promise<void>> {
  rmSync(path, { force: true });
  const peers = new Set<Socket>();
  const server: Server = createServer((socket) => {
    if (peers.size >= MAX_PEERS) {
      socket.destroy();
      return;
    }
    peers.add(socket);
    socket.on('close', () => peers.delete(socket));
    serve(socket, handle);
  });
  const umask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    chmodSync(path, 0o600);
  } finally {
    process.umask(umask);
  }
  return async () => {
    for (const peer of peers) peer.end();
    await new Promise<void>((resolve) => {
      server.close(() => {
        resolve();
      });
      // Answers under way get a moment; then nobody may hold the daemon up.
      setTimeout(() => {
        for (const peer of peers) peer.destroy();
      }, 200).unref();
    });
    rmSync(path, { force: true });
  };
}

function serve(socket: Socket, handle: ControlHandler): void {
  let pending = Buffer.alloc(0);
  let deadline = setTimeout(() => socket.destroy(), REQUEST_DEADLINE_MS);
  socket.on('close', () => {
    clearTimeout(deadline);
  });
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    const end = pending.indexOf(10);
    if (end < 0) {
      if (pending.length > MAX_REQUEST_BYTES) refuse(socket, 'the request is too long');
      return;
    }
    clearTimeout(deadline);
    deadline = setTimeout(() => socket.destroy(), ANSWER_DEADLINE_MS);
    socket.pause();
    const request = parseRequest(pending.subarray(0, end).toString('utf8'));
    if (request === null) {
      refuse(socket, 'the request is not a JSON object with a command');
      return;
    }
    handle(request).then(
      (result) => socket.end(`${JSON.stringify({ ok: true, result })}\n`),
      (error: unknown) => {
        const { code, message, fix } = asDebugwandError(error);
        socket.end(`${JSON.stringify({ ok: false, error: { code, message, fix } })}\n`);
      },
    );
  });
}

function refuse(socket: Socket, message: string): void {
  socket.pause();
  const fix = 'talk to the daemon with the `wand` command of the same version';
  socket.end(`${JSON.stringify({ ok: false, error: { code: 'bad-request', message, fix } })}\n`);
}

function parseRequest(line: string): ControlRequest | null {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null || !('command' in value)) return null;
    return typeof value.command === 'string' ? { ...value, command: value.command } : null;
  } catch {
    return null;
  }
}
