/** Which engine is talked to: on this machine's real one, in homes made up for it. */
import { createHash } from 'node:crypto';
import { createConnection, createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { chmod, readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectDocker } from '../../src/targets/docker-connect.ts';
import { DebugwandError } from '../../src/lib/errors.ts';
import { ensureDocker } from '../support/docker.ts';
import { folder, type Folder } from '../support/folder.ts';
import { freePort, getOrSkip, isRoot } from '../support/machine.ts';
import { run } from '../support/run.ts';

const docker = await getOrSkip(() => ensureDocker());
const never = new AbortController().signal;
const VARIABLES = [
  'HOME',
  'DOCKER_HOST',
  'DOCKER_CONTEXT',
  'DOCKER_CONFIG',
  'CONTAINER_HOST',
  'DOCKER_TLS_VERIFY',
  'DOCKER_CERT_PATH',
  'XDG_RUNTIME_DIR',
];

describe.skipIf(docker === undefined)('finding the engine', () => {
  const socketPath = docker?.socketPath ?? '';
  const saved = new Map(VARIABLES.map((name) => [name, process.env[name]]));
  let home: Folder;
  const cleanUp: (() => Promise<void>)[] = [];

  beforeEach(async () => {
    home = await folder();
    for (const name of VARIABLES) delete process.env[name];
    process.env['HOME'] = home.path;
  });
  afterEach(async () => {
    for (const undo of cleanUp.splice(0)) await undo();
    for (const [name, value] of saved) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    await home[Symbol.asyncDispose]();
  });

  const found = async (explicit: string | null): Promise<string> => {
    const engine = await connectDocker(explicit, never);
    try {
      expect(await engine.list(never)).toBeInstanceOf(Array);
      return engine.endpoint;
    } finally {
      engine.close();
    }
  };
  const failure = async (explicit: string | null): Promise<DebugwandError> => {
    const error: unknown = await connectDocker(explicit, never).then(
      () => null,
      (reason: unknown) => reason,
    );
    if (!(error instanceof DebugwandError)) throw new Error('it should have failed with a name');
    return error;
  };
  const context = (name: string, host: string): Record<string, string> => ({
    [`.docker/contexts/meta/${createHash('sha256').update(name).digest('hex')}/meta.json`]: JSON.stringify({
      Name: name,
      Metadata: {},
      Endpoints: { docker: { Host: host, SkipTLSVerify: false } },
    }),
  });

  test('the current context', async () => {
    // Another path, so that it cannot be the default socket that was found.
    const path = home.at('elsewhere.sock');
    await forward(path);
    await home.write({ ...context('there', `unix://${path}`), '.docker/config.json': '{"currentContext":"there"}' });
    expect(await found(null)).toBe(`unix://${path}`);
    process.env['DOCKER_CONTEXT'] = 'default';
    expect(await found(null)).toBe(`unix://${socketPath}`);
    process.env['DOCKER_CONTEXT'] = 'gone';
    expect(await failure(null)).toMatchObject({ code: 'docker-host-invalid' });
    expect(await found(`unix://${socketPath}`)).toBe(`unix://${socketPath}`);
  });

  test('a known socket below HOME', async () => {
    // The machine's own default socket comes first: the known one is used where that is not to be had.
    await home.write({ '.colima/default/x': '' });
    await forward(home.at('.colima/default/docker.sock'));
    expect(['unix:///var/run/docker.sock', `unix://${home.path}/.colima/default/docker.sock`]).toContain(
      await found(null),
    );
  });

  test('an explicit socket, whatever DOCKER_HOST says', async () => {
    process.env['DOCKER_HOST'] = 'tcp://127.0.0.1:1';
    process.env['DOCKER_TLS_VERIFY'] = '1';
    expect(await found(`unix://${socketPath}`)).toBe(`unix://${socketPath}`);
    expect(await failure(null)).toMatchObject({
      code: 'docker-unreachable',
      message: expect.stringContaining('tcp://127.0.0.1:1 (named by DOCKER_HOST)') as unknown,
    });
  });

  test('nothing there: says what was tried', async () => {
    const error = await failure(`unix://${home.path}/no.sock`);
    expect(error).toMatchObject({ code: 'docker-unreachable' });
    expect(error.message).toContain(`${home.path}/no.sock (named by the config)`);
    expect(error.fix).toContain('DOCKER_HOST');
  });

  test('an engine that accepts and never answers', { timeout: 20_000 }, async () => {
    const path = home.at('mute.sock');
    const mute = createServer((incoming) => incoming.resume());
    await new Promise<void>((done) => mute.listen(path, done));
    cleanUp.push(
      () =>
        new Promise((done) =>
          mute.close(() => {
            done();
          }),
        ),
    );
    const begin = performance.now();
    expect(await failure(`unix://${path}`)).toMatchObject({ code: 'docker-unreachable' });
    expect(performance.now() - begin).toBeLessThan(8_000);
  });

  test.skipIf(!isRoot)('no right to the socket', async () => {
    await forward(home.at('shut.sock'));
    await chmod(home.at('shut.sock'), 0o600);
    await chmod(home.path, 0o755);
    process.seteuid?.(65534);
    try {
      const error = await failure(`unix://${home.path}/shut.sock`);
      expect(error).toMatchObject({ code: 'docker-denied', permanent: true });
      expect(error.fix).toContain('usermod -aG docker');
    } finally {
      process.seteuid?.(0);
    }
  });

  test('TCP, plain and with TLS by the variables', async () => {
    const plain = await freePort();
    await forward(plain);
    process.env['DOCKER_HOST'] = `tcp://127.0.0.1:${String(plain)}`;
    expect(await found(null)).toBe(`tcp://127.0.0.1:${String(plain)}`);

    const [certs, port] = [await certificates(), await freePort()];
    const pem = (name: string): Promise<Buffer> => readFile(`${certs}/${name}.pem`);
    const [ca, cert, key] = [await pem('ca'), await pem('cert'), await pem('key')];
    const server = createTlsServer({ ca, cert, key, requestCert: true, rejectUnauthorized: true }, (incoming) => {
      const outgoing = createConnection(socketPath);
      for (const socket of [incoming, outgoing]) socket.on('error', () => outgoing.destroy());
      incoming.pipe(outgoing).pipe(incoming);
    });
    server.on('tlsClientError', () => undefined);
    await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
    cleanUp.push(
      () =>
        new Promise((done) =>
          server.close(() => {
            done();
          }),
        ),
    );
    process.env['DOCKER_HOST'] = `tcp://127.0.0.1:${String(port)}`;
    process.env['DOCKER_TLS_VERIFY'] = '1';
    expect((await failure(null)).code).toBe('docker-unreachable');
    process.env['DOCKER_CERT_PATH'] = certs;
    expect(await found(null)).toBe(`tcp://127.0.0.1:${String(port)}`);
  });

  /** Makes the engine answer at another path or port too. */
  async function forward(where: string | number): Promise<void> {
    const server = createServer((incoming) => {
      const outgoing = createConnection(socketPath);
      for (const socket of [incoming, outgoing]) {
        socket.on('error', () => undefined);
        socket.once('close', () => {
          incoming.destroy();
          outgoing.destroy();
        });
      }
      incoming.pipe(outgoing).pipe(incoming);
    });
    await new Promise<void>((done) => {
      if (typeof where === 'number') server.listen(where, '127.0.0.1', done);
      else server.listen(where, done);
    });
    cleanUp.push(
      () =>
        new Promise((done) =>
          server.close(() => {
            done();
          }),
        ),
    );
  }

  /** A folder with a certificate for 127.0.0.1 that is its own authority. */
  async function certificates(): Promise<string> {
    const dir = home.at('certs');
    await home.write({ 'certs/x': '' });
    const subject = '-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1';
    const files = ['-keyout', `${dir}/key.pem`, '-out', `${dir}/cert.pem`];
    await run('openssl', [...`req -x509 -newkey rsa:2048 -nodes -days 2 ${subject}`.split(' '), ...files]);
    await run('cp', [`${dir}/cert.pem`, `${dir}/ca.pem`]);
    return dir;
  }
});
