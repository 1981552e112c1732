// Owns asking a user on a terminal: a plain question, a choice from a list. Nobody is asked in pipes, scripts and CI.
import { createInterface } from 'node:readline/promises';
import { printable } from '../lib/printable.ts';

export interface Asker {
  /** The answer without spaces around it; null: Ctrl-C or Ctrl-D. */
  ask(question: string): Promise<string | null>;
  say(line: string): void;
}

/** Null where nobody can be asked. */
export function terminalAsker(): Asker | null {
  const { stdin, stderr } = process;
  if (!stdin.isTTY || !stderr.isTTY) return null;
  return {
    say: (line) => {
      stderr.write(`${line}\n`);
    },
    ask: async (question) => {
      const lines = createInterface({ input: stdin, output: stderr });
      const closed = new AbortController();
      lines.once('close', () => {
        closed.abort();
      });
      try {
        return (await lines.question(question, { signal: closed.signal })).trim();
      } catch {
        stderr.write('\n');
        return null;
      } finally {
        lines.close();
      }
    },
  };
}

/** Yes only if it is said. */
export async function confirmed(asker: Asker, question: string): Promise<boolean> {
  return /^y(es)?$/i.test((await asker.ask(`${question} [y/N] `)) ?? '');
}

/** The chosen one, by its number or its text; Enter takes the first. Null: none of them. */
export async function choice<T extends { readonly text: string; readonly note: string }>(
  asker: Asker,
  title: string,
  offers: readonly T[],
): Promise<T | null> {
  asker.say(title);
  for (const [index, { text, note }] of offers.entries()) {
    asker.say(`  ${String(index + 1).padStart(2)}) ${printable(text)}${note === '' ? '' : `  (${printable(note)})`}`);
  }
  for (;;) {
    const answer = await asker.ask('Which one? [1] ');
    if (answer === null) return null;
    const chosen = answer === '' ? offers[0] : (offers[Number(answer) - 1] ?? offers.find((o) => o.text === answer));
    if (chosen !== undefined) return chosen;
    asker.say(`a number from 1 to ${String(offers.length)}, or Ctrl-C`);
  }
}
