/**
 * A debugpy that costs nothing: answers each request at once with a body of a realistic size. A process of its own, so
 * that its work and the keeper's do not wait for each other. Prints its port.
 */
import { createServer, type Socket } from 'node:net';
import { encodeFrame, FrameDecoder } from '../../src/dap/framing.ts';
import { parseMessage } from '../../src/dap/messages.ts';

const stackFrames = Array.from({ length: 20 }, (_, i) => ({
  id: i + 1,
  name: `function_${String(i)}`,
  line: i,
  column: 1,
  source: { path: `/app/package/module_${String(i)}.py`, sourceReference: 0 },
}));
const variables = Array.from({ length: 100 }, (_, i) => ({
  name: `variable_${String(i)}`,
  value: `'value of the variable ${String(i)}'`,
  type: 'str',
  evaluateName: `variable_${String(i)}`,
  variablesReference: i + 1,
}));
const BODIES: Readonly<Record<string, unknown>> = {
  threads: { threads: [{ id: 1, name: 'MainThread' }] },
  stackTrace: { stackFrames, totalFrames: 20 },
  variables: { variables },
  scopes: { scopes: [{ name: 'Locals', variablesReference: 1, expensive: false }] },
};

const sockets = new Set<Socket>();
const server = createServer((socket) => {
  sockets.add(socket);
  socket.setNoDelay(true);
  const decoder = new FrameDecoder({ maxBodyBytes: 0xff_ff_ff, oversized: 'fail' });
  let seq = 0;
  const send = (message: object): void => {
    seq += 1;
    socket.write(encodeFrame(JSON.stringify({ seq, ...message })));
  };
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    for (const frame of decoder.push(chunk)) {
      const request = frame.kind === 'body' ? parseMessage(frame.text) : null;
      if (request?.type !== 'request') continue;
      const { command } = request;
      if (command === 'attach') send({ type: 'event', event: 'initialized' });
      send({ type: 'response', request_seq: request.seq, command, success: true, body: BODIES[command] ?? {} });
      if (command === 'configurationDone') {
        send({ type: 'event', event: 'stopped', body: { reason: 'breakpoint', threadId: 1, allThreadsStopped: true } });
      }
    }
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${String(typeof address === 'object' ? address?.port : '')}\n`);
});
process.stdin
  .on('end', () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  })
  .resume();
