import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { EDITORS, editorsOf } from '../../../src/commands/editor-names.ts';
import { editorSetup } from '../../../src/commands/init-editors.ts';
import { initCommand } from '../../../src/commands/init.ts';
import { parseJsonc } from '../../../src/lib/jsonc.ts';
import { parseToml } from '../../../src/lib/toml.ts';
import { folder } from '../../support/folder.ts';
import { initIo as io } from '../../support/init-io.ts';

const TARGETS = [
  { name: 'api', port: 5679 },
  { name: 'web.2', port: 5680 },
];
const OTHERS = EDITORS.filter((editor) => editor !== 'vscode');

describe('--editor', () => {
  test('names each once, VS Code when none is said', () => {
    expect(editorsOf([])).toEqual(['vscode']);
    expect(editorsOf(['nvim', 'emacs', 'nvim'])).toEqual(['nvim', 'emacs']);
  });

  test.each([
    ['neovim', 'did you mean nvim?'],
    ['code', 'did you mean vscode?'],
    ['butterfly', 'the editors are vscode, nvim, emacs, zed, helix, pycharm; any other'],
  ])('%s', (name, fix) => {
    expect(() => editorsOf(['nvim', name])).toThrow(
      expect.objectContaining({ code: 'usage', fix: expect.stringContaining(fix) as unknown }),
    );
  });
});

describe('every editor', () => {
  test.each(OTHERS)('%s is told where each target is, and what to do then', (editor) => {
    const { snippet, file } = editorSetup(editor, TARGETS);
    const { where, text, use } = snippet;
    for (const { name } of TARGETS) expect(text).toContain(name);
    expect(where).toMatch(/: into \S|Run \|/);
    expect(use).not.toBe('');
    // Helix takes the address with its command.
    expect(editor === 'helix' ? use : text).toContain('5679');
    const files: Partial<Record<string, string>> = { zed: '.zed/debug.json', helix: '.helix/languages.toml' };
    expect(file?.path).toBe(files[editor]);
  });
});

describe('.zed/debug.json', () => {
  const change = (before: string | null) => editorSetup('zed', TARGETS).file?.change(before);

  test.each([
    ['none', null, []],
    ['empty', '', []],
    ['an empty list', '[]', []],
    [
      'comments and trailing commas',
      '// mine\n[\n  { "label": "tests", /* why */ "adapter": "Debugpy", },\n]\n',
      ['// mine', '/* why */', '"tests"'],
    ],
    ['Windows line ends', '[\r\n  { "label": "tests" }\r\n]\r\n', ['"tests"']],
  ])('%s', (_what, before, kept) => {
    const made = change(before);
    if (made === undefined || 'error' in made) throw new Error(made?.error ?? 'no file');
    expect(made.added).toEqual(['wand: api', 'wand: web.2']);
    for (const part of kept) expect(made.text).toContain(part);
    const parsed = parseJsonc(made.text);
    const entries = 'value' in parsed ? (parsed.value as { label: string }[]) : [];
    expect(entries.map(({ label }) => label)).toEqual([
      ...(kept.length > 0 ? ['tests'] : []),
      'wand: api',
      'wand: web.2',
    ]);
    expect(entries.at(-1)).toEqual({
      label: 'wand: web.2',
      adapter: 'Debugpy',
      request: 'attach',
      connect: { host: '127.0.0.1', port: 5680 },
    });
    // A second time there is nothing to do.
    expect(change(made.text)).toEqual({ text: made.text, added: [], present: ['wand: api', 'wand: web.2'] });
  });

  test.each([
    ['{ "a": 1 }', 'it does not hold a list'],
    ['[ { "label": ]', /^line 1, column \d+: /],
  ])('%s stays', (before, error) => {
    expect(change(before)).toEqual({ error: expect.stringMatching(error) as unknown });
  });
});

describe('.helix/languages.toml', () => {
  const change = (before: string | null) => editorSetup('helix', TARGETS).file?.change(before);

  test('is made, and is TOML as Helix reads it', () => {
    const made = change(null);
    if (made === undefined || 'error' in made) throw new Error('not made');
    expect(parseToml(made.text)).toEqual({
      value: {
        language: [
          {
            name: 'python',
            debugger: {
              name: 'debugpy',
              transport: 'tcp',
              command: '',
              templates: ['wand-api', 'wand-web.2'].map((name) => ({
                name,
                request: 'attach',
                completion: [],
                args: {},
              })),
            },
          },
        ],
      },
    });
    expect(change(made.text)).toEqual({ text: made.text, added: [], present: ['wand-api', 'wand-web.2'] });
  });

  test.each([
    ['# mine\n[[language]]\nname = "rust"\n', 'it has other settings'],
    ['language = 3', 'it has other settings'],
    ['[[language', /^line 1/],
  ])('%s stays', (before, error) => {
    expect(change(before)).toEqual({ error: expect.stringMatching(error) as unknown });
  });
});

describe('wand init --editor', () => {
  const CONFIG = "targets:\n  api: { process: { match: 'uvicorn app:app' }, port: 5679 }\n";

  test('writes files of the project, shows what is the user’s own, and asks for no launch.json', async () => {
    await using project = await folder({ 'debugwand.config.yaml': CONFIG });
    const talk = io(project);
    expect(await initCommand({ yes: true, editor: ['nvim', 'zed', 'helix'] }, talk)).toBe(0);
    const said = talk.said.join('\n');
    expect(said).toContain(editorSetup('nvim', [{ name: 'api', port: 5679 }]).snippet.text);
    expect(said).toContain('done: add "wand: api" to .zed/debug.json');
    expect(JSON.parse(await readFile(project.at('.zed/debug.json'), 'utf8'))).toHaveLength(1);
    expect(await readFile(project.at('.helix/languages.toml'), 'utf8')).toContain('wand-api');
    await expect(readFile(project.at('.vscode/launch.json'), 'utf8')).rejects.toThrow('ENOENT');
    const again = io(project);
    await initCommand({ yes: true, editor: ['zed', 'helix'] }, again);
    expect(again.said.join('\n')).toMatch(
      /debug\.json has "wand: api" already.*\n[^]*languages\.toml has "wand-api" already/,
    );
  });

  test('leaves a file that it cannot add to, and shows what to add', async () => {
    const mine = '# mine\n[[language]]\nname = "rust"\n';
    await using project = await folder({ 'debugwand.config.yaml': CONFIG, '.helix/languages.toml': mine });
    const talk = io(project);
    await initCommand({ yes: true, editor: ['helix'] }, talk);
    expect(talk.said.join('\n')).toMatch(
      /languages\.toml stays as it is \(it has other settings\): add this by hand\n[^]*name = "wand-api"/,
    );
    expect(await readFile(project.at('.helix/languages.toml'), 'utf8')).toBe(mine);
  });

  test('writes nothing without a yes', async () => {
    await using project = await folder({ 'debugwand.config.yaml': CONFIG });
    const talk = io(project);
    await initCommand({ editor: ['zed'] }, talk);
    expect(talk.said.join('\n')).toContain('would add "wand: api" to .zed/debug.json');
    await expect(readFile(project.at('.zed/debug.json'), 'utf8')).rejects.toThrow('ENOENT');
  });

  test('says what it does not know before it looks at anything', async () => {
    await using project = await folder({});
    await expect(initCommand({ editor: ['butterfly'] }, io(project))).rejects.toMatchObject({ code: 'usage' });
  });
});
