import { describe, expect, it } from 'vitest';
import { childConfiguration, childWay } from '../../../src/dap/child-session.ts';

describe('how an editor is asked for one more session', () => {
  it.each([
    [{ clientID: 'neovim', supportsStartDebuggingRequest: true }, 'startDebugging'],
    [{ clientID: 'vscode', adapterID: 'debugpy', supportsStartDebuggingRequest: true }, 'startDebugging'],
    [{ clientID: 'vscode', adapterID: 'debugpy' }, 'debugpyAttach'],
    [{ clientID: 'helix', adapterID: 'debugpy' }, null],
    [{ supportsStartDebuggingRequest: 'yes' }, null],
    [{}, null],
  ] as const)('%j', (initialize, way) => {
    expect(childWay(initialize, {})).toBe(way);
    expect(childWay(initialize, { subProcess: true })).toBe(way);
    // A setting of debugpy's.
    expect(childWay(initialize, { subProcess: false })).toBeNull();
  });
});

describe('the configuration of a child session', () => {
  const child = { name: 'worker 43 of api', slot: 2, port: 5679 };

  it("is the parent's, without what starts something", () => {
    const parent = {
      type: 'debugpy',
      name: 'api',
      request: 'attach',
      connect: { host: 'localhost', port: 5679 },
      justMyCode: false,
      pathMappings: [{ localRoot: '/w', remoteRoot: '/app' }],
      preLaunchTask: 'up',
      processId: 4,
      restart: true,
      __sessionId: 'x',
    };
    expect(childConfiguration(parent, child)).toEqual({
      type: 'debugpy',
      name: 'worker 43 of api',
      request: 'attach',
      connect: { host: 'localhost', port: 5679 },
      justMyCode: false,
      pathMappings: [{ localRoot: '/w', remoteRoot: '/app' }],
      subProcessId: 2,
    });
  });

  it.each([[{}], [{ host: 'localhost', port: 5679 }], [{ connect: { port: 5679 } }], [{ connect: 'x' }]])(
    'names the port where the parent does not: %j',
    (parent) => {
      expect(childConfiguration(parent, child)).toEqual({
        request: 'attach',
        name: 'worker 43 of api',
        subProcessId: 2,
        connect: { host: '127.0.0.1', port: 5679 },
      });
    },
  );
});
