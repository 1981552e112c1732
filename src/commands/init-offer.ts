// Owns writing what `wand init` proposes: each file is asked for, merged into what is there, or only shown.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { DebugwandError } from '../lib/errors.ts';
import { type EditorName, editorsOf } from './editor-names.ts';
import { editorSetup } from './init-editors.ts';
import { isYes, type InitIo } from './init-io.ts';
import { launchEntry, launchText, type LaunchTarget } from './init-text.ts';

/** How files are offered. */
export interface OfferOptions {
  readonly yes?: boolean;
  /** What to configure: VS Code when none is named. */
  readonly editor?: readonly string[];
}

export interface Offer extends Change {
  /** What is done, as words of a question: `write x`. */
  readonly what: string;
  /** Shown where nobody can be asked. */
  readonly preview: string;
}

/** What a file is to become. */
export interface Change {
  readonly file: string;
  /** What was in it when it was read; null: there was no such file. */
  readonly before: string | null;
  readonly text: string;
}

/** Whether it was written. @throws DebugwandError `file-changed` */
export async function offer(
  { what, preview, ...change }: Offer,
  options: OfferOptions,
  io: Pick<InitIo, 'ask' | 'print'>,
): Promise<boolean> {
  if (options.yes !== true && io.ask === null) {
    io.print(`would ${what}:`);
    for (const line of preview.trimEnd().split('\n')) io.print(`    ${line}`);
    return false;
  }
  if (options.yes !== true && io.ask !== null) {
    const answer = await io.ask(`${what}? [Y/n] `);
    if (!isYes(answer)) return false;
  }
  await writeChange(change);
  io.print(`done: ${what}`);
  return true;
}

/** Somebody was asked, which takes a while: what came into the file meanwhile is theirs.
 * @throws DebugwandError `file-changed` */
export async function writeChange({ file, before, text }: Change): Promise<void> {
  if ((await readOrNull(file)) !== before) {
    throw new DebugwandError({
      code: 'file-changed',
      message: `${file} was changed in the meantime, and stays as it is now`,
      fix: 'do it again: what is there now is looked at anew',
    });
  }
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text, { flag: before === null ? 'wx' : 'w' });
}

export async function offerEditors(
  root: string,
  targets: readonly LaunchTarget[],
  options: OfferOptions,
  io: InitIo,
): Promise<void> {
  for (const editor of editorsOf(options.editor ?? [])) {
    if (editor === 'vscode') await offerLaunch(root, targets, options, io);
    else await offerEditor(editor, root, targets, options, io);
  }
}

/** A file of the project is written; what belongs into the user's own files or into a dialog is only shown. */
async function offerEditor(
  editor: Exclude<EditorName, 'vscode'>,
  root: string,
  targets: readonly LaunchTarget[],
  options: OfferOptions,
  io: InitIo,
): Promise<void> {
  const { snippet, file } = editorSetup(editor, targets);
  const path = join(root, file?.path ?? '');
  const shown = relative(io.cwd, path);
  const before = file === null ? null : await readOrNull(path);
  const change = file === null ? null : file.change(before);
  if (change !== null && 'text' in change) {
    for (const name of change.present) io.print(`${shown} has ${JSON.stringify(name)} already, it stays as it is`);
    const what = `add ${change.added.map((name) => JSON.stringify(name)).join(', ')} to ${shown}`;
    if (change.added.length > 0)
      await offer({ file: path, before, text: change.text, what, preview: snippet.text }, options, io);
  } else {
    if (change !== null) io.print(`${shown} stays as it is (${change.error}): add this by hand`);
    io.print(`${snippet.where}:\n\n${snippet.text}`);
  }
  io.print(`then ${snippet.use}`);
}

export async function readOrNull(file: string): Promise<string | null> {
  return readFile(file, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  });
}

async function offerLaunch(
  root: string,
  targets: readonly LaunchTarget[],
  options: OfferOptions,
  io: InitIo,
): Promise<void> {
  const file = join(root, '.vscode', 'launch.json');
  const shown = relative(io.cwd, file);
  const before = await readOrNull(file);
  const change = launchText(before, root, targets);
  const preview = targets.map((target) => JSON.stringify(launchEntry(target, root), null, 2)).join(',\n');
  if ('error' in change) {
    io.print(`${shown} cannot be read (${change.error}) and stays as it is; add this to its \`configurations\`:`);
    for (const line of preview.split('\n')) io.print(`    ${line}`);
    return;
  }
  for (const name of change.present) io.print(`${shown} has ${JSON.stringify(name)} already, it stays as it is`);
  if (change.added.length === 0) return;
  const what = `add ${change.added.map((name) => JSON.stringify(name)).join(', ')} to ${shown}`;
  await offer({ file, before, text: change.text, what, preview }, options, io);
}
