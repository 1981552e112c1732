// Owns the names that `--editor` takes, and what to say to any other. Pure.
import { DebugwandError } from '../lib/errors.ts';
import { nearest } from '../lib/nearest.ts';

export const EDITORS = ['vscode', 'nvim', 'emacs', 'zed', 'helix', 'pycharm'] as const;

export type EditorName = (typeof EDITORS)[number];

function isEditor(name: string): name is EditorName {
  return EDITORS.some((known) => known === name);
}

/** The editors named, each once; VS Code when none is. @throws DebugwandError `usage` */
export function editorsOf(given: readonly string[]): readonly EditorName[] {
  const names = given.map((name): EditorName => {
    if (isEditor(name)) return name;
    const near = nearest(name, EDITORS);
    throw new DebugwandError({
      code: 'usage',
      message: `there is no configuration for the editor ${name}`,
      fix:
        near === null
          ? `the editors are ${EDITORS.join(', ')}; any other DAP client attaches to the target's port on 127.0.0.1`
          : `did you mean ${near}?`,
    });
  });
  return names.length === 0 ? ['vscode'] : [...new Set(names)];
}
