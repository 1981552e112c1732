// Owns the end of `wand init`: the first start is offered, or the one next command is said.
import type { TargetConfig } from '../core/types.ts';
import { DebugwandError } from '../lib/errors.ts';
import { servedPort } from './init-app.ts';
import { isYes, type InitIo } from './init-io.ts';

export interface StartOptions {
  readonly yes?: boolean;
  /** True: without a question. False: not at all. */
  readonly start?: boolean;
}

/** What is about to be started. */
export interface Ready {
  readonly root: string;
  /** The config, which is on disk. */
  readonly file: string;
  readonly targets: readonly { readonly name: string; readonly port: number; readonly source: StartSource }[];
}

/** Of a target's source, what a start depends on. */
type StartSource = Pick<TargetConfig['source'], 'kind'> & {
  readonly command?: readonly string[];
  readonly cwd?: string;
};

/** @returns the exit code @throws DebugwandError `command-not-found`, `app-port-taken` when a start is insisted on */
export async function offerStart(ready: Ready, options: StartOptions, io: InitIo): Promise<number> {
  const { root, file, targets } = ready;
  const wand = wandIn(io.env);
  const attach = `attach your editor to ${targets.map(({ port }) => `127.0.0.1:${String(port)}`).join(', ')}`;
  const pid = await io.daemonOf(root);
  if (pid !== null) {
    io.print(`wand runs already (pid ${String(pid)}) and takes the config as it is; next: ${attach}`);
    return 0;
  }
  const obstacles = [...missingPrograms(ready, io), ...(await takenPorts(ready, io))];
  const [lacking] = obstacles;
  if (options.start === true && lacking !== undefined) throw lacking;
  for (const { message, fix } of obstacles) io.print(`note: ${message}: ${fix}`);
  for (const line of comesFirst(targets)) io.print(line);
  if (options.start === true || (lacking === undefined && (await isWanted(options, io)))) {
    io.print(`${attach} when it is ready; leave by Ctrl-C, start it again by \`${wand} watch\``);
    return io.watch(file);
  }
  io.print(`next: ${lacking === undefined ? '' : 'mend that, then '}\`${wand} watch\`, then ${attach}`);
  return 0;
}

async function isWanted(options: StartOptions, io: InitIo): Promise<boolean> {
  if (options.start === false || options.yes === true || io.ask === null) return false;
  return isYes(await io.ask('start it now? [Y/n] '));
}

function missingPrograms({ root, targets }: Ready, io: InitIo): readonly DebugwandError[] {
  const found = targets.map(({ source }) => {
    const [program] = source.command ?? [];
    return program === undefined ? null : io.whyNotRunnable(program, source.cwd ?? root);
  });
  return found.filter((error) => error !== null);
}

/** The app would say so itself, in the middle of much else. */
async function takenPorts({ targets }: Ready, io: InitIo): Promise<readonly DebugwandError[]> {
  const found = await Promise.all(
    targets.map(async ({ name, source }) => {
      const port = servedPort(source.command ?? [], io.env);
      if (port === null || !(await io.portsTaken(port, 1)).has(port)) return [];
      const owner = io.ownerOf(port);
      const who = owner === null ? 'somebody' : owner;
      return new DebugwandError({
        code: 'app-port-taken',
        message: `port ${String(port)}, which ${name} will want to serve at, is taken by ${who}`,
        fix: `end that, or put another port into the command of ${name}: '--port', '${String(port + 1)}' (for Django only the number)`,
      });
    }),
  );
  return found.flat();
}

/** wand waits for what it does not start itself; a newcomer would wait with it. */
function comesFirst(targets: Ready['targets']): readonly string[] {
  const kinds = new Set(targets.map(({ source }) => source.kind));
  const lines = [];
  if (kinds.has('docker'))
    lines.push('containers are found when they run: start them as ever, before wand or after it');
  if (kinds.has('kubernetes')) lines.push('pods are found when they run: deploy as ever, before wand or after it');
  return lines;
}

/** How wand is called here: who came by npx has it nowhere in PATH. */
export function wandIn(env: InitIo['env']): string {
  return env['npm_command'] === 'exec' ? 'npx debugwand' : 'wand';
}
