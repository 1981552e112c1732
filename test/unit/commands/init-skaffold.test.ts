import { describe, expect, it } from 'vitest';
import { skaffoldAdvice } from '../../../src/commands/init-skaffold.ts';
import { fields, list } from '../../../src/lib/fields.ts';
import { parseYaml } from '../../../src/lib/yaml.ts';

/** Commands of the hooks below a value of the snippet, at Skaffold's own paths. */
function commands(hooks: unknown): readonly unknown[] {
  return list(fields(hooks)['after']).map((item) => fields(fields(item)['host'])['command']);
}

describe('the advice for Skaffold', () => {
  it('is for projects of Skaffold', () => {
    expect(skaffoldAdvice(new Set(['app.py']))).toEqual([]);
    expect(skaffoldAdvice(new Set(['skaffold.yml']))[0]).toMatch(/^skaffold\.yml: /);
  });

  it('is YAML with hooks where Skaffold has them, which can neither fail nor wait', () => {
    const lines = skaffoldAdvice(new Set(['skaffold.yaml']));
    const parsed = parseYaml(lines.slice(lines.findIndex((line) => line.endsWith('deploy:'))).join('\n'));
    if ('error' in parsed) throw new Error(parsed.error.message);
    const { deploy, build } = fields(parsed.value);
    const hook = (event: string): unknown => ['sh', '-c', `npx --no-install wand notify ${event} || true`];
    expect(commands(fields(fields(deploy)['kubectl'])['hooks'])).toEqual([hook('deploy')]);
    const sync = fields(list(fields(build)['artifacts'])[0])['sync'];
    expect(commands(fields(sync)['hooks'])).toEqual([hook('sync')]);
  });
});
