// Owns what `wand init --editor` gives editors other than VS Code: a snippet for the file that is the user's program
// (init.lua, init.el) or for a dialog, and the text of a file of the project's own (.zed/debug.json). Pure.
import { isFields } from '../lib/fields.ts';
import { editJsonc, parseJsonc } from '../lib/jsonc.ts';
import { parseToml } from '../lib/toml.ts';
import type { EditorName } from './editor-names.ts';

export interface EditorTarget {
  readonly name: string;
  readonly port: number;
}

/** Something to be put where only the user knows. */
export interface Snippet {
  /** What it is for, and where it belongs: a line for people. */
  readonly where: string;
  readonly text: string;
  /** How to attach once it is there. */
  readonly use: string;
}

export type FileChange =
  | { readonly text: string; readonly added: readonly string[]; readonly present: readonly string[] }
  /** It stays as it is: what is wrong, or why it cannot be added to; the snippet says what is to be added by hand. */
  | { readonly error: string };

/** A file of the project that holds nothing but such settings. */
export interface EditorFile {
  /** Relative to the project's root, with `/`. */
  readonly path: string;
  /** @param before null: there is no such file yet */
  readonly change: (before: string | null) => FileChange;
}

export interface EditorSetup {
  readonly snippet: Snippet;
  readonly file: EditorFile | null;
}

const HOST = '127.0.0.1';

/** Path mappings are left out: where an editor brings none, wand uses those of its config, or those it inferred. */
export function editorSetup(editor: Exclude<EditorName, 'vscode'>, targets: readonly EditorTarget[]): EditorSetup {
  switch (editor) {
    case 'nvim':
      return { snippet: nvim(targets), file: null };
    case 'emacs':
      return { snippet: emacs(targets), file: null };
    case 'zed':
      return { snippet: zed(targets), file: { path: '.zed/debug.json', change: (before) => zedFile(before, targets) } };
    case 'helix':
      return {
        snippet: helix(targets),
        file: { path: '.helix/languages.toml', change: (before) => helixFile(before, targets) },
      };
    case 'pycharm':
      return { snippet: pycharm(targets), file: null };
    default:
      return editor satisfies never;
  }
}

/** An adapter of its own name, so that one that is there for debugpy stays as it is. */
function nvim(targets: readonly EditorTarget[]): Snippet {
  const entries = targets.map(
    ({ name, port }) =>
      `  { name = 'wand: ${name}', type = 'wand', request = 'attach', connect = { host = '${HOST}', port = ${String(port)} } },`,
  );
  return {
    where: 'Neovim with nvim-dap: into init.lua, or .nvim.lua of the project',
    text: `local dap = require('dap')
dap.adapters.wand = function(use, config)
  use({ type = 'server', host = config.connect.host, port = config.connect.port })
end
dap.configurations.python = vim.list_extend(dap.configurations.python or {}, {
${entries.join('\n')}
})
`,
    use: "in a Python file: :lua require('dap').continue()",
  };
}

function emacs(targets: readonly EditorTarget[]): Snippet {
  const entries = targets.map(
    ({ name, port }) => `  (add-to-list 'dape-configs
               '(wand-${name}
                 modes (python-mode python-ts-mode)
                 host "${HOST}" port ${String(port)}
                 :type "debugpy" :request "attach"
                 :connect (:host "${HOST}" :port ${String(port)})))`,
  );
  return {
    where: 'Emacs with dape: into init.el',
    text: `(with-eval-after-load 'dape\n${entries.join('\n')})\n`,
    use: `M-x dape RET wand-${targets[0]?.name ?? 'TARGET'} RET; leave by M-x dape-disconnect-quit`,
  };
}

function zedEntry({ name, port }: EditorTarget) {
  return { label: `wand: ${name}`, adapter: 'Debugpy', request: 'attach', connect: { host: HOST, port } };
}

function zed(targets: readonly EditorTarget[]): Snippet {
  return {
    where: 'Zed of November 2025 or later (earlier ones do not attach by `connect`): into .zed/debug.json',
    text: `${JSON.stringify(targets.map(zedEntry), null, 2)}\n`,
    use: `"debugger: start" (F4), then "wand: ${targets[0]?.name ?? 'TARGET'}"`,
  };
}

function zedFile(before: string | null, targets: readonly EditorTarget[]): FileChange {
  let text = before === null || before.trim() === '' ? '[]\n' : before;
  const parsed = parseJsonc(text);
  if ('error' in parsed) return { error: placed(parsed.error) };
  if (!Array.isArray(parsed.value)) return { error: 'it does not hold a list' };
  const entries: readonly unknown[] = parsed.value;
  const there = new Set(entries.map((entry) => (isFields(entry) ? entry['label'] : undefined)));
  const missing = targets.filter((target) => !there.has(zedEntry(target).label));
  missing.forEach((target, index) => {
    text = editJsonc(text, [entries.length + index], zedEntry(target));
  });
  return {
    text,
    added: missing.map((target) => zedEntry(target).label),
    present: targets.filter((target) => !missing.includes(target)).map((target) => zedEntry(target).label),
  };
}

function helix(targets: readonly EditorTarget[]): Snippet {
  const templates = targets.map(
    ({ name }) => `
[[language.debugger.templates]]
name = "wand-${name}"
request = "attach"
completion = []
args = {}
`,
  );
  const first = targets[0];
  return {
    where: 'Helix: into .helix/languages.toml of the project, or the one of your configuration',
    text: `[[language]]
name = "python"

[language.debugger]
name = "debugpy"
transport = "tcp"
command = ""
${templates.join('')}`,
    use: `in a Python file: :debug-remote ${HOST}:${String(first?.port ?? 0)} wand-${first?.name ?? 'TARGET'}`,
  };
}

/** Only made, never changed: what is in a table of TOML cannot be added to without writing the whole file anew. */
function helixFile(before: string | null, targets: readonly EditorTarget[]): FileChange {
  const names = targets.map(({ name }) => `wand-${name}`);
  if (before === null || before.trim() === '') return { text: helix(targets).text, added: names, present: [] };
  const parsed = parseToml(before);
  if ('error' in parsed) return { error: placed(parsed.error) };
  const there = templatesOf(parsed.value);
  if (names.every((name) => there.includes(name))) return { text: before, added: [], present: names };
  return { error: 'it has other settings' };
}

function templatesOf(value: unknown): readonly unknown[] {
  const languages = isFields(value) && Array.isArray(value['language']) ? value['language'] : [];
  return languages.flatMap((language: unknown) => {
    const adapter = isFields(language) ? language['debugger'] : undefined;
    const templates: unknown = isFields(adapter) ? adapter['templates'] : undefined;
    return Array.isArray(templates) ? templates.map((one: unknown) => (isFields(one) ? one['name'] : undefined)) : [];
  });
}

/** A run configuration's file is not documented: the dialog is. */
function pycharm(targets: readonly EditorTarget[]): Snippet {
  const lines = targets.map(({ name, port }) => `  Name: wand: ${name}   Remote address: ${HOST} : ${String(port)}`);
  return {
    where: 'PyCharm 2025.3 or later (earlier ones have no DAP client): Run | Edit Configurations | + | Attach to DAP',
    text: `${lines.join('\n')}\n  Remote project path: the folder of the code as the app sees it (/app in a container)\n`,
    use: 'Run | Debug that configuration',
  };
}

function placed(error: { readonly line: number | null; readonly column: number | null; readonly message: string }) {
  return error.line === null
    ? error.message
    : `line ${String(error.line)}, column ${String(error.column)}: ${error.message}`;
}
