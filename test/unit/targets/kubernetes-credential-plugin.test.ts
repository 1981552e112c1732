import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CredentialPlugin } from '../../../src/targets/kubernetes-credential-plugin.ts';
import { until } from '../../support/until.ts';

const FACTS = {
  user: 'u',
  apiVersion: 'client.authentication.k8s.io/v1',
  installHint: null,
  cluster: null,
  folder: '/',
};

/** A dead child of a dead parent waits for its first process to take note of it. */
function hasEnded(pid: number): boolean {
  try {
    return readFileSync(`/proc/${String(pid)}/stat`, 'utf8').split(' ')[2] === 'Z';
  } catch {
    return true;
  }
}

describe('a credential plugin that hangs', () => {
  it('is ended with all that it started, and named', async () => {
    const plugin = new CredentialPlugin({ ...FACTS, command: 'sh', args: ['-c', 'sleep 60 & echo $!; wait'] }, 300);
    const child = plugin.spawn('', [], {});
    let printed = '';
    child.stdout?.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    const began = performance.now();
    await new Promise((resolve) => child.once('close', resolve));
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(Number(printed)).toBeGreaterThan(1);
    await until(() => hasEnded(Number(printed)), 'what it started has ended');
    const error = plugin.explain(new Error(''));
    expect(error.message).toMatch(/`sh` of the user `u` did not end within 0\.3 s/);
    expect(error.fix).toMatch(/sh -c sleep/);
  });
});
