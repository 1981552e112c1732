/** The bridge of a test cluster: pods hang on it, and this machine is its first address. */
import { networkInterfaces } from 'node:os';
import { Lacking, which } from './machine.ts';
import { attempt, run } from './run.ts';

/** Of the cluster that all tests share. Private ones take the next. */
const FIRST_SUBNET = 244;
const LAST_SUBNET = 254;

/** Which networks are free: no interface of this machine has an address there. Ask under a lock and make it there. */
export async function freeSubnet(): Promise<string> {
  const taken = (await run('ip', ['-o', 'route', 'show', 'table', 'all'])) + JSON.stringify(networkInterfaces());
  for (let second = FIRST_SUBNET; second <= LAST_SUBNET; second += 1) {
    const subnet = `10.${String(second)}.0`;
    if (!taken.includes(subnet)) return subnet;
  }
  throw new Lacking('a free network for a test cluster', '`npm run cluster -- stop` frees those of abandoned ones.');
}

export async function makeBridge(bridge: string, subnet: string): Promise<void> {
  await run('ip', ['link', 'add', bridge, 'type', 'bridge']);
  await run('ip', ['addr', 'add', `${subnet}.1/24`, 'dev', bridge]);
  await run('ip', ['link', 'set', bridge, 'up']);
  // Docker lets nothing be forwarded but what is its own, and where bridges ask iptables, that is our pods, too.
  await run('iptables', ['-w', '-I', ...between(bridge)]);
}

export async function removeBridge(bridge: string): Promise<void> {
  if (which('iptables') !== undefined) await attempt('iptables', ['-w', '-D', ...between(bridge)]);
  await attempt('ip', ['link', 'delete', bridge]);
}

function between(bridge: string): readonly string[] {
  return ['FORWARD', '-i', bridge, '-o', bridge, '-j', 'ACCEPT'];
}
