/** The target contract on processes of this machine: by command, by pid. */
import { spawn } from 'node:child_process';
import { createTarget } from '../../src/targets/index.ts';
import type { TargetSource } from '../../src/core/types.ts';
import type { Target } from '../../src/targets/target.ts';
import { isRoot } from '../support/machine.ts';
import { python } from '../support/python.ts';
import { targetConfig } from '../support/target-config.ts';
import { targetContract, type Ability } from './target.contract.ts';

const SLEEP = 'import time; time.sleep(1e6)';
const whoAmI = ['/usr/bin/id', '-u'];
const users: readonly Ability[] = isRoot ? ['users'] : [];

function targetOf(source: TargetSource): Promise<Target> {
  return createTarget(targetConfig(source), { log: { info: () => undefined }, projectRoot: '/', inheritStdio: false });
}

targetContract('a command on this machine', ['end', ...users], async () => {
  const interpreter = await python('3.14');
  const target = await targetOf({ kind: 'local', command: [interpreter, '-c', SLEEP], cwd: '/' });
  return {
    target,
    python: interpreter,
    whoAmI,
    execEndsWithIt: false,
    act: async (deed) => {
      if (deed === 'kill') target.child?.signal('SIGKILL');
      else await target.child?.restart();
    },
    strike: async () => undefined,
  };
});

targetContract('a match on this machine', users, async () => {
  const interpreter = await python('3.14');
  const mark = `contract-${String(process.pid)}`;
  const running = spawn(interpreter, ['-c', SLEEP, mark], { stdio: 'ignore' });
  const target = await targetOf({ kind: 'local', match: mark });
  return {
    target,
    python: interpreter,
    whoAmI,
    execEndsWithIt: false,
    act: () => Promise.reject(new Error('the machine runs')),
    strike: async () => {
      running.kill('SIGKILL');
    },
  };
});
