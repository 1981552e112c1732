// Owns argv → command, and the only place where an error becomes an exit code. Commands load lazily: `wand status` must
// not pay for what `wand watch` needs.
import { readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { EDITORS } from './commands/editor-names.ts';
import { parseForward } from './config/forward.ts';
import type { ForwardConfig } from './core/types.ts';
import { asDebugwandError } from './lib/errors.ts';

/** Exit codes: 0 clean, 1 internal (or what a command says), 2 config or usage, 3 already running, 4 permanently denied. */
function exitCodeOf(error: { code: string; permanent: boolean }): number {
  if (error.code === 'already-running') return 3;
  if (USAGE_CODES.has(error.code)) return 2;
  return error.permanent ? 4 : 1;
}

const USAGE_CODES: ReadonlySet<string> = new Set([
  'usage',
  'config-invalid',
  'config-missing',
  'config-unreadable',
  'no-such-target',
  'no-such-worker',
  'no-such-process',
  'worker-ambiguous',
  'worker-has-session',
  'target-ambiguous',
  'workload-not-found',
  'namespace-not-found',
  'context-not-found',
  'kubeconfig-missing',
  'script-unreadable',
  'nothing-found',
]);

function number(value: string): number {
  const parsed = Number(value);
  if (!Number.isInteger(parsed) || parsed < 1) throw new InvalidArgumentError('It must be a whole number above 0.');
  return parsed;
}

function port(value: string): number {
  const parsed = number(value);
  if (parsed > 65535) throw new InvalidArgumentError('A port is at most 65535.');
  return parsed;
}

function seconds(value: string): number {
  const parsed = Number(value);
  if (value.trim() === '' || !(parsed >= 0 && parsed <= 3600)) {
    throw new InvalidArgumentError('It must be a number of seconds from 0 to 3600.');
  }
  return parsed;
}

function forward(value: string, before: readonly ForwardConfig[] | undefined): readonly ForwardConfig[] {
  const parsed = parseForward(value);
  if (parsed === null) throw new InvalidArgumentError('It must be LOCAL:REMOTE, e.g. 8000:http, or one port for both.');
  return [...(before ?? []), parsed];
}

/** kubectl's words for a workload of a cluster. */
function clusterOptions(command: Command): Command {
  return command
    .option('-s, --service <name>', 'a Kubernetes service')
    .option('-l, --selector <labels>', 'pods by their labels, e.g. app=web')
    .option('-n, --namespace <name>', "the workload's namespace")
    .option('--context <name>', 'a context of the kubeconfig')
    .option('--kubeconfig <file>', 'default: KUBECONFIG, then ~/.kube/config')
    .option('--replica <pod>', 'the pod to take, or all; default: the newest one that is ready')
    .option('--allow-context <name>', 'debug in this context although it does not look local', collect)
    .addOption(
      new Option('--ephemeral-containers <mode>', 'may a container be added to a pod that cannot be entered?').choices([
        'ask',
        'allow',
        'never',
      ]),
    );
}

const CONTAINER = [
  '-c, --container <name>',
  "a container of Docker or Podman; of a pod, beside Kubernetes' options",
] as const;

function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

function version(): string {
  const file: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return typeof file === 'object' && file !== null && 'version' in file ? String(file.version) : 'unknown';
}

function leave(code: number): void {
  process.exit(code);
}

/** Builds the program; `done` gets the exit code of the command that ran. */
export function buildProgram(argv: readonly string[], done: (code: number) => void): Command {
  const program = new Command('wand');
  program
    .description("Keeps an editor's Python debugger attached through every reload, restart and rollout.")
    .version(version(), '--version', 'print the version')
    .exitOverride()
    .showSuggestionAfterError()
    .enablePositionalOptions()
    .configureHelp({ showGlobalOptions: true });

  const configOption = ['-c, --config <file>', 'config file (default: searched upward from here)'] as const;
  const run =
    <A extends unknown[]>(action: (...args: A) => Promise<number>) =>
    async (...args: A): Promise<void> => {
      done(await action(...args));
    };

  program
    .command('watch')
    .description(
      'watch the targets of the config and keep the debugger attached; with a command: start it and watch it',
    )
    .argument('[command...]', 'after --: a command to start, e.g. wand watch -- uvicorn app:app --reload')
    .option('-t, --target <name>', 'only this target (may be given again)', collect)
    .option(...configOption)
    .option('-p, --port <port>', 'the port on 127.0.0.1 that the editor attaches to', port)
    .option('--allow-context <name>', 'debug in this context although it does not look local', collect)
    .option('-d, --detach', 'run in the background')
    .option('--plain', 'plain lines instead of the live status line')
    .option('--json', 'one JSON object per line')
    .passThroughOptions()
    .action(
      run(async (command: string[], options: Record<string, never>) => {
        const { watchCommand } = await import('./commands/watch.ts');
        return watchCommand(command, { ...options, argv, leave });
      }),
    );

  const debug = program
    .command('debug')
    .description('debug one container, process or Kubernetes workload, without a config')
    .argument('[workload]', "kubectl's kind/name: deploy/web, svc/web, pod/web-0, ksvc/web …")
    .option(...CONTAINER)
    .option('--pid <pid>', 'a process of this machine', number);
  clusterOptions(debug)
    .option('--forward <ports>', 'keep a port of the app reachable here, e.g. 8000:http (may be given again)', forward)
    .option('--lease <seconds>', 'how long stops are kept while the connection is cut (default: 60)', seconds)
    .option('--docker-host <address>', 'the Docker API to use, e.g. unix:///run/podman/podman.sock')
    .option('-p, --port <port>', 'the port on 127.0.0.1 that the editor attaches to', port)
    .option('--plain', 'plain lines instead of the live status line')
    .option('--json', 'one JSON object per line')
    .action(
      run(async (workload: string | undefined, options: Record<string, never>) => {
        const { debugCommand } = await import('./commands/watch.ts');
        return debugCommand(workload, { ...options, leave });
      }),
    );

  const longConfigOption = ['--config <file>', configOption[1]] as const;
  const ps = program
    .command('ps')
    .alias('pods')
    .description('list the Python processes of a target: role, reason, CPU, memory, version; of all its pods')
    .argument('[target]', "a target of the config, or kubectl's kind/name: deploy/web")
    .option(...CONTAINER)
    .option('--pid <pid>', 'a process of this machine', number);
  clusterOptions(ps)
    .option('--docker-host <address>', 'the Docker API to use')
    .option(...longConfigOption)
    .option('--json', 'print JSON')
    .action(
      run(async (target: string | undefined, options: Record<string, never>) => {
        const { psCommand } = await import('./commands/ps.ts');
        return psCommand(target, options);
      }),
    );

  const inject = program
    .command('inject')
    .description('run a Python script inside a worker; its output and its end come back')
    .argument('<script>', 'a file of Python source, or - for standard input')
    .argument('[args...]', 'after --: what the script finds in the list `args`')
    .option('-t, --target <name>', "a target of the config, or kubectl's kind/name: deploy/web")
    .option(...CONTAINER)
    .option('--pid <pid>', 'a process of this machine', number);
  clusterOptions(inject)
    .option('--process <pid>', 'another process than the chosen worker, as `wand ps` shows it', number)
    .option('--timeout <seconds>', 'interrupt the script after that (default: Ctrl-C does)', number)
    .option('--docker-host <address>', 'the Docker API to use')
    .option(...longConfigOption)
    .action(
      run(async (script: string, args: string[], options: Record<string, never>) => {
        const { injectCommand } = await import('./commands/inject.ts');
        return injectCommand(script, args, options);
      }),
    );

  program
    .command('status')
    .description('what the running daemon does')
    .option('--json', 'the whole report as JSON')
    .argument('[target...]', 'only these targets')
    .option(
      '--ready',
      'one line; exit 0 if an editor can attach to every target (its app may still be awaited), else 1',
    )
    .option(...configOption)
    .action(
      run(async (targets: string[], options: Record<string, never>) => {
        const { statusCommand } = await import('./commands/status.ts');
        return statusCommand(targets, options);
      }),
    );

  program
    .command('logs')
    .description("the daemon's log")
    .option('-f, --follow', 'go on as it grows')
    .option('--json', 'lines as they are in the file')
    .option(...configOption)
    .action(
      run(async (options: Record<string, never>) => {
        const { logsCommand } = await import('./commands/logs.ts');
        return logsCommand(options);
      }),
    );

  program
    .command('stop')
    .description('stop the daemon of this project')
    .option(...configOption)
    .action(
      run(async (options: Record<string, never>) => {
        const { stopCommand } = await import('./commands/stop.ts');
        return stopCommand(options);
      }),
    );

  program
    .command('restart')
    .description('restart the command of a target, or take the debugger out of its worker and in again')
    .argument('[target]', 'may be left out where there is one target')
    .option(...configOption)
    .action(
      run(async (target: string | undefined, options: Record<string, never>) => {
        const { restartCommand } = await import('./commands/restart.ts');
        return restartCommand(target, options);
      }),
    );

  program
    .command('switch')
    .description('move the debug session of a target to another of its workers; without a pid to the next one')
    .argument('[target]', 'may be left out where there is one target')
    .argument('[worker]', 'its pid, as `wand ps` shows it; REPLICA:PID where there are several replicas')
    .option(...configOption)
    .action(
      run(async (target: string | undefined, worker: string | undefined, options: Record<string, never>) => {
        const { switchCommand } = await import('./commands/switch.ts');
        return switchCommand(
          [target, worker].filter((word) => word !== undefined),
          options,
        );
      }),
    );

  program
    .command('init')
    .description('look at the project, write a config and what your editor needs to attach')
    .option('-y, --yes', 'ask nothing: write it; nothing is started without --start')
    .option('--start', 'start `wand watch` with it, without a question')
    .option('--no-start', 'do not offer that')
    .option('--editor <name>', `${EDITORS.join(', ')} (default: vscode; may be given again)`, collect)
    .action(
      run(async (options: Record<string, never>) => {
        const [{ initCommand }, { processIo }] = await Promise.all([
          import('./commands/init.ts'),
          import('./commands/init-io.ts'),
        ]);
        return initCommand(options, processIo(leave));
      }),
    );

  program
    .command('doctor')
    .description('check every requirement; each failure comes with its fix')
    .option('--fix', 'mend what can be mended: asks for each, then looks again')
    .option('-y, --yes', 'with --fix: ask nothing')
    .option('--json', 'print JSON')
    .option(...configOption)
    .action(
      run(async (options: Record<string, never>) => {
        const { doctorCommand } = await import('./commands/doctor.ts');
        return doctorCommand(options);
      }),
    );

  program
    .command('notify')
    .description('for hooks of other tools: have the daemon look now; exit code 0 whatever comes')
    .argument('[event]', 'what happened, for `wand status`: sync, deploy, …')
    .option('--test', 'show a notification of each kind instead, and say whether the desktop took it')
    .option(...configOption)
    .allowExcessArguments()
    .allowUnknownOption()
    .action(
      run(async (event: string | undefined, options: Record<string, never>) => {
        const { notifyCommand } = await import('./commands/notify.ts');
        return notifyCommand(event, options);
      }),
    );

  program.command('__targets', { hidden: true }).action(
    run(async () => {
      const { targetsCommand } = await import('./commands/completion.ts');
      return targetsCommand();
    }),
  );

  program
    .command('completion')
    .description('print a completion script')
    .argument('<shell>', 'bash, zsh or fish')
    .action(
      run(async (shell: string) => {
        const { completionCommand } = await import('./commands/completion.ts');
        return completionCommand(shell, describe(program));
      }),
    );

  return program;
}

/** The commands and options, for the completion scripts. */
function describe(
  program: Command,
): { name: string; description: string; options: { flags: string[]; description: string }[] }[] {
  return program.commands
    .filter((command) => !command.name().startsWith('_'))
    .flatMap((command) => [command.name(), ...command.aliases()].map((name) => ({ name, command })))
    .map(({ name, command }) => ({
      name,
      description: command.description(),
      options: command.options.map((option) => ({
        flags: [option.short, option.long].filter((flag) => flag !== undefined && flag !== null),
        description: option.description,
      })),
    }));
}

/** Runs one command line and ends the process with its exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  let code = 0;
  // Who reads our output may leave first: `wand ps | head`. A daemon goes on, and says so itself.
  if (argv[0] !== 'watch' && argv[0] !== 'debug') {
    for (const stream of [process.stdout, process.stderr]) {
      stream.on('error', () => {
        // What it is about to start goes on, too.
        if (argv[0] !== 'init') leave(code);
      });
    }
  }
  try {
    const program = buildProgram(argv, (result) => {
      code = result;
    });
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      code = error.exitCode === 0 ? 0 : 2;
    } else {
      const named = asDebugwandError(error);
      process.stderr.write(`wand: ${named.message}\n  fix: ${named.fix}\n`);
      if (process.env['WAND_DEBUG'] !== undefined && error instanceof Error)
        process.stderr.write(`${error.stack ?? ''}\n`);
      code = exitCodeOf(named);
    }
  }
  // Whatever might still hold the event loop open was closed by its owner; a forgotten handle must not hang a shell.
  process.exitCode = code;
  setTimeout(() => process.exit(code), 500).unref();
}
