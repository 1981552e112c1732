// Owns Tilt as a source of hints, for a wand that runs under it: Tilt tells its children its port, and keeps the way to its
// API in a file of the user.
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseYaml } from '../lib/yaml.ts';
import type { Feed } from './follower.ts';
import { tiltEndpoint } from './tilt-config.ts';
import { tiltReader } from './tilt-events.ts';

/** Null when wand was not started by Tilt. */
export function tiltFeed(env: Readonly<Record<string, string | undefined>>): Feed | null {
  const port = env['TILT_PORT'];
  if (port === undefined || !/^\d{1,5}$/.test(port)) return null;
  return {
    source: 'tilt',
    find: async () => {
      for (const file of configFiles(env)) {
        const parsed = parseYaml(await readFile(file, 'utf8').catch(() => ''));
        const endpoint = 'error' in parsed ? null : tiltEndpoint(parsed.value, port);
        if (endpoint !== null) return endpoint;
      }
      return `the Tilt with port ${port} has not written its address yet`;
    },
    reader: tiltReader,
  };
}

/** Where Tilt itself looks. */
function configFiles(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const named = env['TILT_CONFIG'];
  if (named !== undefined && named !== '') return [named];
  return ['.tilt-dev', '.windmill'].map((folder) => join(env['HOME'] ?? homedir(), folder, 'config'));
}
