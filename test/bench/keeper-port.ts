/**
 * A keeper alone in a process, as the daemon has it, in front of the debugpy on the port given. Prints its own port, and
 * when its stdin ends how long each handling of bytes took, from their arrival until all that follows is written, in ms.
 */
import { Socket } from 'node:net';
import { EditorPort } from '../../src/dap/editor-port.ts';
import { dial } from '../support/dap-worker.ts';

/** One number for each arrival of bytes: a round trip makes two, the request's and the response's. */
const handled: number[] = [];
const emit: (this: Socket, name: string, ...args: unknown[]) => boolean = Reflect.get(Socket.prototype, 'emit');
Socket.prototype.emit = function timed(this: Socket, name: string, ...args: unknown[]): boolean {
  if (name !== 'data') return emit.call(this, name, ...args);
  const started = performance.now();
  const heard = emit.call(this, name, ...args);
  handled.push(performance.now() - started);
  return heard;
};

const debugpy = Number(process.argv[2]);
const port = new EditorPort({ name: 'bench', port: 0, terminateOnDisconnect: false }, () => undefined);
await port.listen(new AbortController().signal);
const now = Date.now();
port.workerUp({
  name: 'worker 1',
  pid: 1,
  generation: 1,
  pathMappings: [],
  seenAt: now,
  startedAt: now,
  open: (signal) => dial(debugpy, signal),
});
process.stdout.write(`${String(port.port)}\n`);
process.stdin.on('end', () => process.stdout.write(`${JSON.stringify(handled)}\n`, () => void port.close())).resume();
