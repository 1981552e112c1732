import type { Command } from 'commander';
import { describe, expect, it, vi } from 'vitest';
import { buildProgram } from '../../src/cli.ts';

const program = buildProgram([], () => undefined);
const commands: readonly (readonly [name: string, command: Command])[] = program.commands.map((command) => [
  command.name(),
  command,
]);

describe('wand --help', () => {
  it.each(commands)('of %s speaks to people: no value of ours', (_, command) => {
    expect(command.helpInformation()).not.toMatch(/\[\]|undefined|\[object/);
  });
});

describe('wand completion', () => {
  it('knows the other names of commands, too', async () => {
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    try {
      await buildProgram([], () => undefined).parseAsync(['completion', 'bash'], { from: 'user' });
      expect(String(write.mock.calls[0]?.[0])).toMatch(/ ps pods inject .*\n[^]*\n {4}pods\) words="[^"]*--namespace/);
    } finally {
      write.mockRestore();
    }
  });
});
