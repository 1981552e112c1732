// Owns a small HTTP server that sends an event stream as tools do, for tests: lines, then silence, a cut or an end.
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface EventServer extends AsyncDisposable {
  readonly url: string;
  /** Requests so far, by path. */
  readonly asked: readonly string[];
  /** Sends to all that listen now. */
  send(text: string): void;
  /** Cuts everybody off. */
  cut(): void;
}

/** @param begin what a new listener gets first: `replay` of the stream, or an answer of its own */
export async function eventServer(begin: (response: ServerResponse) => void, port = 0): Promise<EventServer> {
  const listeners = new Set<ServerResponse>();
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    listeners.add(response);
    response.on('close', () => listeners.delete(response));
    begin(response);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const { port: bound } = server.address() as AddressInfo;
  const cut = (): void => {
    for (const response of listeners) response.destroy();
  };
  return {
    url: `http://127.0.0.1:${String(bound)}`,
    asked,
    send: (text) => {
      for (const response of listeners) response.write(text);
    },
    cut,
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Begins with these values, a line each. */
export function replay(...values: readonly unknown[]): (response: ServerResponse) => void {
  return (response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write(values.map((value) => `${JSON.stringify(value)}\n`).join(''));
  };
}
