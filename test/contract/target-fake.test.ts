/** The fake target keeps the contract too: what is tested with it is tested with something true. */
import { FakeTarget } from '../support/fake-target.ts';
import { python } from '../support/python.ts';
import { targetContract, type Deed } from './target.contract.ts';

targetContract('fake', ['end', 'pause', 'remove'], async () => {
  const target = new FakeTarget();
  target.start();
  const deeds: Readonly<Partial<Record<Deed, () => void>>> = {
    kill: () => {
      target.stop();
    },
    startAgain: () => {
      target.start();
    },
    pause: () => {
      target.pause();
    },
    unpause: () => {
      target.unpause();
    },
    remove: () => {
      target.remove();
    },
    recreate: () => {
      target.start();
    },
  };
  return {
    target,
    python: await python('3.14'),
    whoAmI: [],
    execEndsWithIt: true,
    act: async (deed) => deeds[deed]?.(),
    strike: async () => {
      target.remove();
    },
  };
});
