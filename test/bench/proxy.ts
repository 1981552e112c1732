/** A proxy in front of an API server that counts requests: what a daemon costs the cluster can be told from outside. */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent, request as secureRequest } from 'node:https';
import { connect } from 'node:tls';
import { writeFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { freePort } from '../support/machine.ts';

interface Access {
  readonly server: string;
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface CountingProxy {
  /** Requests and connections upgraded so far. */
  readonly count: () => number;
  /** A kubeconfig that goes through the proxy. */
  readonly kubeconfig: string;
  close: () => void;
}

export async function countRequests(kubeconfig: string, folder: string): Promise<CountingProxy> {
  const access = accessOf(kubeconfig);
  const agent = new Agent({ keepAlive: true, ca: access.ca, cert: access.cert, key: access.key });
  const upstream = new URL(access.server);
  let count = 0;
  const server = createServer((incoming, answer) => {
    count += 1;
    const { method, url: path, headers } = incoming;
    const options: RequestOptions = { hostname: upstream.hostname, port: upstream.port, method, path, headers };
    const outgoing = secureRequest({ ...options, agent }, (response: IncomingMessage) => {
      // A watch is answered long before its first event.
      answer.writeHead(response.statusCode ?? 502, response.headers).flushHeaders();
      response.pipe(answer);
    });
    outgoing.on('error', () => answer.destroy());
    answer.on('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
  });
  server.on('upgrade', (incoming, socket, head) => {
    count += 1;
    const { hostname: host, port } = upstream;
    const wire = connect({ host, port: Number(port), ca: access.ca, cert: access.cert, key: access.key }, () => {
      const headers = incoming.rawHeaders.flatMap((name, index, all) =>
        index % 2 === 0 ? [`${name}: ${all[index + 1] ?? ''}`] : [],
      );
      wire.write(`${incoming.method ?? 'GET'} ${incoming.url ?? '/'} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
      wire.write(head);
      wire.pipe(socket).pipe(wire);
    });
    for (const end of [wire, socket]) {
      end.on('error', () => undefined);
      end.on('close', () => {
        wire.destroy();
        socket.destroy();
      });
    }
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const file = `${folder}/proxied.kubeconfig`;
  const cluster = { server: `http://127.0.0.1:${String(port)}` };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'proxied', cluster }],
    users: [{ name: 'proxied', user: {} }],
    contexts: [{ name: 'proxied', context: { cluster: 'proxied', user: 'proxied' } }],
    'current-context': 'proxied',
  };
  await writeFile(file, JSON.stringify(config));
  return {
    count: () => count,
    kubeconfig: file,
    close: () => {
      server.closeAllConnections();
      server.close();
      agent.destroy();
    },
  };
}

function accessOf(file: string): Access {
  const config = parse(readFileSync(file, 'utf8')) as {
    clusters: { cluster: Record<string, string> }[];
    users: { user: Record<string, string> }[];
  };
  const { cluster = {} } = config.clusters[0] ?? {};
  const { user = {} } = config.users[0] ?? {};
  const read = (from: Record<string, string>, name: string): Buffer => {
    const data = from[`${name}-data`];
    return data === undefined ? readFileSync(from[name] ?? '') : Buffer.from(data, 'base64');
  };
  return {
    server: cluster['server'] ?? '',
    ca: read(cluster, 'certificate-authority'),
    cert: read(user, 'client-certificate'),
    key: read(user, 'client-key'),
  };
}
