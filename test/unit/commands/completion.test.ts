import { execFile } from 'node:child_process';
import { chmod } from 'node:fs/promises';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { completionScript, type CommandShape } from '../../../src/commands/completion.ts';
import { aptInstall } from '../../support/debian.ts';
import { folder } from '../../support/folder.ts';
import { getOrSkip } from '../../support/machine.ts';

const COMMANDS: readonly CommandShape[] = [
  {
    name: 'watch',
    description: "keep the debugger attached: the editor's port [one]",
    options: [
      { flags: ['-t', '--target'], description: 'only this target' },
      { flags: ['-c', '--config'], description: 'config file' },
      { flags: ['--plain'], description: "it's plain" },
    ],
  },
  { name: 'restart', description: 'restart a target', options: [] },
  { name: 'switch', description: 'another worker', options: [] },
  { name: 'status', description: 'what it does', options: [] },
  { name: 'pods', description: 'list the processes', options: [] },
  { name: 'init', description: 'set up', options: [{ flags: ['--editor'], description: 'which' }] },
  { name: 'inject', description: 'run a script', options: [] },
  { name: 'completion', description: 'print a script', options: [] },
];
const run = promisify(execFile);

describe('bash', () => {
  const lines: readonly (readonly [words: readonly string[], expected: readonly string[]])[] = [
    [['wand', 'w'], ['watch']],
    [
      ['wand', ''],
      ['watch', 'restart', 'switch', 'status', 'pods', 'init', 'inject', 'completion', '--help', '--version'],
    ],
    [
      ['wand', 'watch', '--'],
      ['--target', '--config', '--plain', '--help'],
    ],
    [
      ['wand', 'watch', '--target', ''],
      ['api', 'web'],
    ],
    [['wand', 'restart', 'w'], ['web']],
    [['wand', 'switch', 'w'], ['web']],
    [['wand', 'status', 'w'], ['web']],
    [['wand', 'pods', 'a'], ['api']],
    [['wand', 'init', '--editor', 'n'], ['nvim']],
    [['wand', 'completion', 'z'], ['zsh']],
    [['wand', 'inject', 'scr'], ['script.py']],
    [['wand', 'watch', '-c', 'scr'], ['script.py']],
    [['wand', 'nonsense', ''], []],
  ];
  test.each(lines)('%j', async (words, expected) => {
    await using project = await folder({ wand: '#!/bin/sh\nprintf "api\\nweb\\n"\n', 'script.py': '' });
    await chmod(project.at('wand'), 0o755);
    const script = `${completionScript('bash', COMMANDS)}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _wand; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = await run('bash', ['-c', script, 'bash', ...words], {
      cwd: project.path,
      env: { PATH: `${project.path}:/usr/bin:/bin` },
    });
    expect(
      stdout
        .trim()
        .split('\n')
        .filter((word) => word !== '')
        .sort(),
    ).toEqual([...expected].sort());
  });
});

describe.each(['zsh', 'fish'])('%s', (shell) => {
  test('its own parser takes the script', async (context) => {
    const isThere = await getOrSkip(() => aptInstall({ [shell]: shell }).then(() => true));
    context.skip(isThere === undefined, `${shell} is not installed`);
    const file = await folder({ script: completionScript(shell, COMMANDS) });
    await using _ = file;
    const { stderr } = await run(shell, ['-n', file.at('script')]);
    expect(stderr).toBe('');
  });

  test('names every command and option', () => {
    const script = completionScript(shell, COMMANDS);
    for (const word of ['watch', 'restart', 'inject', 'plain', 'target']) expect(script).toContain(word);
  });
});

test('another shell', () => {
  expect(() => completionScript('bsh', COMMANDS)).toThrow(
    expect.objectContaining({ code: 'usage', fix: 'did you mean bash?' }),
  );
  expect(() => completionScript('powershell', COMMANDS)).toThrow(
    expect.objectContaining({ fix: 'the shells are bash, zsh, fish' }),
  );
});
