import { rename, rm, writeFile } from 'node:fs/promises';
import { afterEach, expect, test } from 'vitest';
import { loadConfigFile } from '../../../src/config/load.ts';
import { type ConfigChange, watchConfig } from '../../../src/config/watch.ts';
import { type Folder, folder } from '../../support/folder.ts';
import { until } from '../../support/until.ts';

const never = new AbortController().signal;
const yaml = (port: number): string => `targets:\n  a:\n    docker: { container: c }\n    port: ${String(port)}\n`;
const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()));
});

async function watched(project: Folder, name = 'debugwand.config.yaml'): Promise<string[]> {
  const seen: string[] = [];
  const file = project.at(name);
  const say = (change: ConfigChange): void => {
    seen.push('config' in change ? `port ${String(change.config.targets[0]?.port)}` : change.error.code);
  };
  ends.push(await watchConfig(file, say, await loadConfigFile(file, never)));
  return seen;
}

async function next(seen: string[], expected: string): Promise<void> {
  const before = seen.length;
  await until(() => seen.length > before || seen.at(-1) === expected, `${expected} after ${seen.join(', ')}`);
  expect(seen.at(-1)).toBe(expected);
}

test('each way to save is seen once; what is bad, and what is gone, is an error until it is good again', async () => {
  await using project = await folder({ 'debugwand.config.yaml': yaml(1) });
  const file = project.at('debugwand.config.yaml');
  const seen = await watched(project);
  await writeFile(file, yaml(2));
  await next(seen, 'port 2');
  await project.write({ 'debugwand.config.yaml.new': yaml(3) });
  await rename(project.at('debugwand.config.yaml.new'), file);
  await next(seen, 'port 3');
  await writeFile(file, 'targets: [');
  await next(seen, 'config-invalid');
  await writeFile(file, yaml(3));
  await next(seen, 'port 3');
  await rm(file);
  await next(seen, 'config-missing');
  await writeFile(file, yaml(4));
  await next(seen, 'port 4');
  expect(seen).toEqual(['port 2', 'port 3', 'config-invalid', 'port 3', 'config-missing', 'port 4']);
});

test('a save that changes nothing, and other files, are no news; a rename in between is no error', async () => {
  await using project = await folder({ 'debugwand.config.yaml': yaml(1) });
  const file = project.at('debugwand.config.yaml');
  const seen = await watched(project);
  await writeFile(file, `# a comment\n${yaml(1)}`);
  await project.write({ 'other.yaml': 'x' });
  // vim's way: the old file aside, the new one written
  await rename(file, `${file}~`);
  await writeFile(file, '');
  await writeFile(file, yaml(2));
  await next(seen, 'port 2');
  expect(seen).toEqual(['port 2']);
});

test('a burst of saves ends with the last one, and is not read save by save', async () => {
  await using project = await folder({ 'debugwand.config.yaml': yaml(1) });
  const seen = await watched(project);
  for (const port of [2, 3, 4, 5, 6]) await writeFile(project.at('debugwand.config.yaml'), yaml(port));
  await until(() => seen.at(-1) === 'port 6', 'the last one');
  // The events come at intervals of their own: one in between may be read, not each.
  expect(seen.length).toBeLessThan(4);
});

test('TypeScript: new contents each time', async () => {
  const source = (port: number): string =>
    `import type { Config } from 'debugwand';\nexport default { targets: { a: { docker: { container: 'c' }, port: ${String(port)} } } } satisfies Config;`;
  await using project = await folder({ 'debugwand.config.ts': source(1) });
  const seen = await watched(project, 'debugwand.config.ts');
  for (const port of [2, 3, 4]) {
    await writeFile(project.at('debugwand.config.ts'), source(port));
    await next(seen, `port ${String(port)}`);
  }
  expect(seen).toEqual(['port 2', 'port 3', 'port 4']);
});

test('a save before the watch stands is not missed', async () => {
  await using project = await folder({ 'debugwand.config.yaml': yaml(1) });
  const file = project.at('debugwand.config.yaml');
  const loaded = await loadConfigFile(file, never);
  await writeFile(file, yaml(2));
  const ports: unknown[] = [];
  ends.push(
    await watchConfig(file, (change) => ports.push('config' in change && change.config.targets[0]?.port), loaded),
  );
  expect(ports).toEqual([2]);
});
