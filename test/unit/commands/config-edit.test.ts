import { expect, test } from 'vitest';
import { withAllowedContext } from '../../../src/commands/config-edit.ts';

type Case = readonly [file: string, before: string, after: string | null];

test.each<Case>([
  ['debugwand.config.json', '{\n  "targets": {}\n}\n', '{\n  "targets": {},\n  "allowContexts": [\n    "x"\n  ]\n}\n'],
  ['debugwand.config.json', '{ "allowContexts": ["y"] }', '{ "allowContexts": ["y","x"] }'],
  ['package.json', '{ "debugwand": { "allowContexts": ["y"] } }', '{ "debugwand": { "allowContexts": ["y","x"] } }'],
  ['debugwand.config.yaml', 'targets: {}', 'targets: {}\nallowContexts: ["x"]\n'],
  ['debugwand.config.yaml', 'allowContexts:\n  - y\n', null],
  ['debugwand.config.yaml', '{ targets: {} }', null],
  ['debugwand.config.ts', 'export default {\n  a,\n};\n', 'export default {\n  allowContexts: ["x"],\n  a,\n};\n'],
  [
    'debugwand.config.mjs',
    "export default { allowContexts: ['y'] };",
    'export default { allowContexts: ["x", \'y\'] };',
  ],
  ['debugwand.config.ts', 'const config = {};\nexport default config;\n', null],
  ['debugwand.config.cjs', 'module.exports = {\n};\n', null],
  ['pyproject.toml', '[tool.debugwand]\n', null],
  ['debugwand.config.json', '{', null],
])('%s: %j', (file, before, after) => {
  const made = withAllowedContext(`/p/${file}`, before, 'x');
  // Where a list is broken into lines is the formatter's choice.
  const plain = (text: string | null): unknown => (text !== null && file.endsWith('.json') ? JSON.parse(text) : text);
  expect(plain(made)).toEqual(plain(after));
});
