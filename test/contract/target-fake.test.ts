/** The fake target keeps the contract too: what is tested with it is tested with something true. */
import { FakeTarget } from '../support/fake-target.ts';
import { python } from '../support/python.ts';
import { targetContract } from './target.contract.ts';

targetContract('fake', async () => {
  const target = new FakeTarget();
  target.start();
  const at = async (act: () => void): Promise<void> => act();
  return {
    target,
    python: await python('3.14'),
    whoAmI: null,
    execEndsWithIt: true,
    kill: () => at(() => target.stop()),
    startAgain: () => at(() => target.start()),
    pause: () => at(() => target.pause()),
    unpause: () => at(() => target.unpause()),
    remove: () => at(() => target.remove()),
    recreate: () => at(() => target.start()),
    strike: () => at(() => target.remove()),
  };
});
