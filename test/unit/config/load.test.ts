import { describe, expect, test } from 'vitest';
import { findConfig } from '../../../src/config/find.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { DebugwandError } from '../../../src/lib/errors.ts';
import { folder } from '../../support/folder.ts';

const never = new AbortController().signal;
const TARGET = `{ targets: { api: { docker: { container: 'api' } } } }`;
const YAML = 'targets:\n  api:\n    docker: { container: api }\n';
const JSON_TEXT = '{"targets":{"api":{"docker":{"container":"api"}}}}';

async function failure(action: Promise<unknown>): Promise<DebugwandError> {
  const error: unknown = await action.then(
    () => new Error('it worked'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof DebugwandError)) throw error;
  return error;
}

describe('a config is found and read', () => {
  const files: readonly (readonly [file: string, contents: string])[] = [
    ['debugwand.config.ts', `import type { Config } from 'debugwand';\nexport default ${TARGET} satisfies Config;\n`],
    ['debugwand.config.mts', `import { defineConfig } from 'debugwand';\nexport default defineConfig(${TARGET});\n`],
    ['debugwand.config.js', `export default ${TARGET};\n`],
    ['debugwand.config.mjs', `import { defineConfig } from 'debugwand';\nexport default defineConfig(${TARGET});\n`],
    [
      'debugwand.config.cjs',
      `const { defineConfig } = require('debugwand');\nmodule.exports = defineConfig(${TARGET});\n`,
    ],
    ['debugwand.config.json', JSON_TEXT],
    ['debugwand.config.yaml', YAML],
    ['debugwand.config.yml', YAML],
    ['.debugwandrc', YAML],
    ['.debugwandrc', JSON_TEXT],
    ['.debugwandrc.json', JSON_TEXT],
    ['.debugwandrc.yml', YAML],
    ['.debugwandrc.ts', `export default ${TARGET};\n`],
    ['package.json', `{"name":"x","debugwand":${JSON_TEXT}}`],
    ['pyproject.toml', '[project]\nname = "x"\n[tool.debugwand.targets.api]\ndocker = { container = "api" }\n'],
  ];
  test.each(files)('%s', async (file, contents) => {
    await using project = await folder({ [file]: contents, 'src/app/main.py': '' });
    const config = await loadConfig({ cwd: project.at('src', 'app') }, never);
    expect(config).toMatchObject({
      file: project.at(file),
      root: project.path,
      targets: [{ name: 'api', port: 5679, source: { kind: 'docker', container: 'api' } }],
    });
  });

  test('the nearest one counts, files without our section do not', async () => {
    await using project = await folder({
      'debugwand.config.yaml': YAML,
      'package.json': '{"devDependencies":{"debugwand":"1"}}',
      'inner/pyproject.toml': '[tool.ruff]\n# not debugwand\n',
      'inner/package.json': '{ broken, "debugwand"',
      'inner/debugwand.config.ts/file': 'a folder of that name',
    });
    expect(await findConfig(project.at('inner'))).toBe(project.at('debugwand.config.yaml'));
    const named = await loadConfig({ cwd: project.at('inner'), file: '../debugwand.config.yaml' }, never);
    expect(named.file).toBe(project.at('debugwand.config.yaml'));
  });

  test('none at all, or not the named one', async () => {
    await using project = await folder({ 'package.json': '{}' });
    const missing = await failure(loadConfig({ cwd: project.path }, never));
    expect(missing.code).toBe('config-missing');
    expect(missing.fix).toContain('`wand init`');
    for (const file of ['no.yaml', 'no.ts']) {
      const named = await failure(loadConfig({ cwd: project.path, file }, never));
      expect(named).toMatchObject({ code: 'config-missing' });
      expect(named.message).toContain(`${project.at(file)} cannot be read: there is no such file`);
    }
    const empty = await failure(loadConfig({ cwd: project.path, file: 'package.json' }, never));
    expect(empty.message).toContain('has no config of debugwand in it');
  });

  test.each([
    ['debugwand.config.yaml', 'has no config of debugwand in it', 'remove it and let `wand init` write one'],
    ['.debugwandrc', 'has no config of debugwand in it', 'remove it and let `wand init` write one'],
    ['debugwand.config.json', 'Unexpected end of JSON input', 'mend the syntax'],
    ['debugwand.config.ts', 'has no default export', 'export default'],
  ])('%s without anything in it is found, and told as such', async (file, says, fix) => {
    await using project = await folder({ [file]: '\n', 'inner/app.py': '' });
    const empty = await failure(loadConfig({ cwd: project.at('inner') }, never));
    expect(empty.message).toContain(project.at(file));
    expect(empty.message).toContain(says);
    expect(empty.fix).toContain(fix);
  });

  test('one without anything in it gives way to another one beside it', async () => {
    await using project = await folder({ 'debugwand.config.yaml': '', 'debugwand.config.json': JSON_TEXT });
    expect(await findConfig(project.path)).toBe(project.at('debugwand.config.json'));
  });
});

describe('faults name file, line and column', () => {
  const files: readonly (readonly [file: string, contents: string, place: string, says: RegExp])[] = [
    ['debugwand.config.json', '{\n  "targets": {\n    "api": }\n}', ':3:12', /Unexpected token|Expected/],
    ['debugwand.config.json', '{\n  "targets": {', ':2:15', /Expected|Unexpected end/],
    ['debugwand.config.yaml', 'targets:\n  api: [1, 2\n', ':3:1', /flow|\]/i],
    ['debugwand.config.yaml', 'targets:\n  a: 1\n  a: 2\n', ':3:3', /unique/],
    ['package.json', '{"debugwand": {"targets": }', ':1:27', /Unexpected|Expected/],
    ['pyproject.toml', '[tool.debugwand]\ntargets = \n', ':2:', /./],
    ['debugwand.config.ts', 'export default {\n  targets: {\n};\n', ':', /Expected|expected|Unexpected/],
    ['debugwand.config.mjs', 'export default {\n  targets: {\n};\n', ':3', /Unexpected token/],
    ['debugwand.config.ts', 'enum Port { Api = 1 }\nexport default { targets: {} };\n', '', /enum/],
    ['debugwand.config.ts', "import './nothing.ts';\nexport default {};\n", '', /nothing\.ts/],
    [
      'debugwand.config.ts',
      "\nthrow new Error('sorry');\nexport default {};\n",
      ':2:7',
      /the config threw Error: sorry/,
    ],
    ['debugwand.config.ts', 'export const config = {};\n', '', /no default export \(it exports `config`\)/],
    [
      'debugwand.config.ts',
      'export default { targets: { a: { port: () => 1 } } };\n',
      '',
      /targets\.a\.port \(a function\)/,
    ],
    [
      'debugwand.config.ts',
      'export default { targets: { a: { process: { match: /x/ } } } };\n',
      '',
      /process\.match \(a RegExp/,
    ],
    ['debugwand.config.ts', 'process.exit(0);\nexport default {};\n', '', /ended the program/],
    ['debugwand.config.ts', 'export default { targets: { a: { dokcer: {} } } };\n', '', /did you mean `docker`/],
  ];
  test.each(files)('%s: %j', async (file, contents, place, says) => {
    await using project = await folder({ [file]: contents });
    const error = await failure(loadConfig({ cwd: project.path }, never));
    expect(error.code).toBe('config-invalid');
    expect(error.message).toContain(project.at(file) + place);
    expect(error.message).toMatch(says);
    expect(error.message).not.toContain('    at ');
    expect(error.fix).not.toBe('');
  });
});

describe('a TypeScript config', () => {
  test('works below a "type": "commonjs", relative imports too', async () => {
    await using project = await folder({
      'package.json': '{"type":"commonjs"}',
      'app/debugwand.config.ts': `
        import { defineConfig, type Config } from 'debugwand';
        import { container as name } from './settings.js';
        import { port } from './ports';
        import legacy from './legacy.cjs';
        const config: Config = { targets: { api: { docker: { container: name }, port, notify: legacy.notify } } };
        export default defineConfig(config);`,
      'app/settings.ts': `export const container: string = 'api';`,
      'app/ports.ts': `export const port = 6000 as const;`,
      'app/legacy.cjs': `module.exports = { notify: false };`,
    });
    const config = await loadConfig({ cwd: project.at('app') }, never);
    expect(config.targets).toMatchObject([{ name: 'api', port: 6000, notify: { crashed: false, paused: false } }]);
  });

  test('may use CommonJS itself', async () => {
    await using project = await folder({
      'package.json': '{"type":"commonjs"}',
      'debugwand.config.js': `const { container } = require('./name'); module.exports = { targets: { a: { docker: { container } } } };`,
      'name.js': `exports.container = 'c';`,
    });
    expect((await loadConfig({ cwd: project.path }, never)).targets).toMatchObject([{ source: { container: 'c' } }]);
  });

  test('works where the package is installed, even another version', async () => {
    await using project = await folder({
      'node_modules/debugwand/package.json': '{"name":"debugwand","type":"module","exports":"./index.js"}',
      'node_modules/debugwand/index.js': `export function defineConfig() { throw new Error('an old one'); }`,
      'debugwand.config.ts': `import { defineConfig } from 'debugwand';\nexport default defineConfig(${TARGET});`,
    });
    expect((await loadConfig({ cwd: project.path }, never)).targets).toHaveLength(1);
  });

  test('gives its new contents on the next load, those of its imports too', async () => {
    await using project = await folder({
      'debugwand.config.ts': `import { port } from './port.ts';\nexport default { targets: { a: { docker: { container: 'c' }, port } } };`,
    });
    for (const port of [6001, 6002, 6003]) {
      await project.write({ 'port.ts': `export const port: number = ${port};` });
      expect((await loadConfig({ cwd: project.path }, never)).targets[0]?.port).toBe(port);
    }
  });

  test('an abort ends a config that never finishes', async () => {
    await using project = await folder({ 'debugwand.config.ts': 'for (;;) {}\nexport default {};' });
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('enough')), 200);
    await expect(loadConfig({ cwd: project.path }, controller.signal)).rejects.toThrow('enough');
  });
});
