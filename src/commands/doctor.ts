// Owns `wand doctor`: every requirement checked, each failure with its fix. Changes nothing, but with `--fix` what it can
// mend and the user agrees to; then it looks again.
import { confirmed, terminalAsker, type Asker } from './ask.ts';
import type { Check } from './doctor-check.ts';
import { machineChecks } from './doctor-machine.ts';
import { projectChecks } from './doctor-project.ts';
import { messageOf } from '../lib/errors.ts';
import { outputStyle } from '../ui/style.ts';

export interface DoctorOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly fix?: boolean;
  /** All that a person need not be asked about. */
  readonly yes?: boolean;
}

/** The world of `wand doctor`; tests bring their own. */
export interface DoctorIo {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly print: (line: string) => void;
  /** Null: there is nobody to ask. */
  readonly asker: Asker | null;
}

interface Mended {
  readonly check: string;
  readonly what: string;
  readonly result: 'mended' | 'declined' | 'failed';
  readonly why: string | null;
}

/** How long a mend may take, ms: debugpy may have to come a long way. */
const MEND_BUDGET_MS = 300_000;

/** Exit code 1 if one check fails; with `--fix`: if one still does. */
export async function doctorCommand(options: DoctorOptions, io: DoctorIo = processIo()): Promise<number> {
  const say = options.json === true ? () => undefined : io.print;
  const lines = linesOf(io.env);
  const look = async (isShown: (check: Check) => boolean): Promise<Check[]> => {
    const checks: Check[] = [];
    for await (const check of runChecks(options, io)) {
      checks.push(check);
      if (isShown(check)) for (const line of lines(check)) say(line);
    }
    return checks;
  };
  let checks = await look(() => true);
  const mendable = checks.filter(({ mend }) => mend !== null);
  const mended: Mended[] = [];
  if (options.fix === true && mendable.length > 0) {
    for (const check of mendable) {
      const result = await mendOne(check, options, io, say);
      if (result !== null) mended.push(result);
    }
    if (mended.some(({ result }) => result === 'mended')) {
      say('looking again:');
      const before = new Set(mendable.map(({ name }) => name));
      checks = await look(({ name, state }) => before.has(name) || state === 'fail');
    }
  } else if (mendable.length > 0) {
    say(`\`wand doctor --fix\` can ${mendable.map(({ mend }) => mend?.what ?? '').join('; ')}`);
  }
  const isOk = !checks.some(({ state }) => state === 'fail');
  if (options.json === true) {
    const shown = checks.map(({ mend, ...check }) => ({ ...check, mend: mend?.what ?? null }));
    const report = { version: 1, ok: isOk, checks: shown, ...(options.fix === true ? { mended } : {}) };
    io.print(JSON.stringify(report, null, 2));
  }
  return isOk ? 0 : 1;
}

async function* runChecks(options: DoctorOptions, io: DoctorIo): AsyncGenerator<Check> {
  yield* machineChecks(io.env);
  yield* projectChecks({ cwd: io.cwd, file: options.config, env: io.env });
}

/** Null: nobody could say yes to it. */
async function mendOne(
  { name, mend }: Check,
  options: DoctorOptions,
  io: DoctorIo,
  say: (line: string) => void,
): Promise<Mended | null> {
  if (mend === null) return null;
  const { what, personal } = mend;
  const isAgreed = options.yes === true && !personal;
  if (!isAgreed && io.asker === null) {
    say(personal ? `would ${what}: only if you say so, on a terminal` : `would ${what}: \`--yes\` does it`);
    return null;
  }
  if (!isAgreed && io.asker !== null && !(await confirmed(io.asker, `${what}?`))) {
    return { check: name, what, result: 'declined', why: null };
  }
  try {
    await mend.run(AbortSignal.timeout(MEND_BUDGET_MS));
    say(`done: ${what}`);
    return { check: name, what, result: 'mended', why: null };
  } catch (error) {
    say(`could not ${what}: ${messageOf(error)}`);
    return { check: name, what, result: 'failed', why: messageOf(error) };
  }
}

function linesOf(env: NodeJS.ProcessEnv): (check: Check) => string[] {
  const mark = outputStyle(process.stdout, env).unicode
    ? { ok: '✓', warn: '!', fail: '✗', skip: '-' }
    : { ok: 'ok', warn: '!', fail: 'x', skip: '-' };
  return ({ state, name, detail, fix }) => [
    `${mark[state]} ${name}: ${detail}`,
    ...(fix === null ? [] : [`    fix: ${fix}`]),
  ];
}

function processIo(): DoctorIo {
  return {
    cwd: process.cwd(),
    env: process.env,
    print: (line) => {
      process.stdout.write(`${line}\n`);
    },
    asker: terminalAsker(),
  };
}
