import { symlinkSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { eventsPort, findSkaffold, hasSkaffold } from '../../../src/hints/skaffold-find.ts';
import { folder } from '../../support/folder.ts';

interface Process {
  readonly name?: string;
  readonly argv: string;
  readonly cwd: string;
}

describe('the port that a command line names', () => {
  it.each([
    ['skaffold dev --rpc-http-port=50052', [], 50052],
    ['skaffold dev --rpc-http-port 50053 --tail', [], 50053],
    ['skaffold dev', [], null],
    ['skaffold dev', ['SKAFFOLD_RPC_HTTP_PORT=50054'], 50054],
    ['skaffold dev --rpc-http-port=1', ['SKAFFOLD_RPC_HTTP_PORT=2'], 1],
    ['skaffold dev --rpc-port=50051', [], null],
    ['skaffold dev --rpc-http-port', [], null],
    ['skaffold dev --rpc-http-port=70000', [], null],
    ['skaffold dev --rpc-http-port=x', [], null],
  ])('%s %j', (line, environ, port) => {
    expect(eventsPort(line.split(' '), environ)).toBe(port);
  });
});

describe('the Skaffold of a project', () => {
  /** A /proc with these processes. */
  async function inProc<T>(list: readonly Process[], look: (proc: string) => T): Promise<T> {
    await using proc = await folder({ 'sys/x': '' });
    for (const [index, { name = 'skaffold', argv, cwd }] of list.entries()) {
      const pid = String(100 + index);
      await proc.write({ [`${pid}/comm`]: `${name}\n`, [`${pid}/cmdline`]: argv.split(' ').join('\0') });
      symlinkSync(cwd, proc.at(pid, 'cwd'));
    }
    return look(proc.path);
  }
  const dev = 'skaffold dev --rpc-http-port=50052';

  it.each([
    ['runs there', [{ argv: dev, cwd: '/p' }], { port: 50052 }],
    ['runs below', [{ argv: dev, cwd: '/p/deploy' }], { port: 50052 }],
    ['runs above', [{ argv: dev, cwd: '/' }], { port: 50052 }],
    ['serves no events', [{ argv: 'skaffold dev', cwd: '/p' }], { port: null }],
    [
      'is the one of two that serves them',
      [
        { argv: 'skaffold dev', cwd: '/p' },
        { argv: dev, cwd: '/p' },
      ],
      { port: 50052 },
    ],
    ['is of another project', [{ argv: dev, cwd: '/q' }], null],
    ['is of a project with a longer name', [{ argv: dev, cwd: '/pp' }], null],
    ['is no loop', [{ argv: 'skaffold version', cwd: '/p' }], null],
    ['is another program', [{ name: 'grep', argv: dev, cwd: '/p' }], null],
    ['does not run', [], null],
  ] as const)('%s', async (_, list, found) => {
    expect(await inProc(list, (proc) => findSkaffold('/p', proc))).toEqual(found);
  });

  it('cannot be seen where there is no /proc', () => {
    expect(findSkaffold('/p', '/nonexistent')).toBeNull();
  });

  it('is looked for where there is a skaffold.yaml', async () => {
    await using root = await folder();
    expect(hasSkaffold(root.path)).toBe(false);
    await root.write({ 'skaffold.yaml': '' });
    expect(hasSkaffold(root.path)).toBe(true);
  });
});
