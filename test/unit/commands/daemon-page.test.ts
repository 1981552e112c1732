import { expect, it } from 'vitest';
import { DaemonPage } from '../../../src/commands/daemon-page.ts';
import type { StatusReport } from '../../../src/core/status.ts';
import { silentLog } from '../../../src/lib/log.ts';

it('is opened and closed as the config says, and stays closed once the daemon ends', async () => {
  const daemon = { pid: 1, startedAt: 0, config: null, configError: null, page: null };
  const report: StatusReport = { version: 1, daemon, targets: [], hints: [] };
  const urls: (string | null)[] = [];
  const page = new DaemonPage({ report: () => report, restart: () => Promise.resolve('') }, silentLog(), () => {
    urls.push(page.url);
  });
  for (const wanted of [true, true, false, true]) page.want(wanted);
  await page.close();
  page.want(true);
  await page.close();
  expect(urls.map((url) => url !== null)).toEqual([true, false, true, false]);
});
