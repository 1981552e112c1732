import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { DOCUMENTED_RULES } from '../../../src/targets/kubernetes-rules.ts';

test('the Role of the README is the one that debugwand asks for', () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  const role: unknown = parse(/```yaml\n([^`]*kind: Role\n[^`]*)```/.exec(readme)?.[1] ?? '');
  expect(role).toMatchObject({ kind: 'Role', rules: DOCUMENTED_RULES });
});
