// Owns `wand completion`: scripts for bash, zsh and fish, made from the list of commands; and the hidden
// `wand __targets`, which those scripts ask for names.
import { loadConfig } from '../config/load.ts';
import { DebugwandError } from '../lib/errors.ts';
import { nearest } from '../lib/nearest.ts';
import { EDITORS } from './editor-names.ts';

export interface CommandShape {
  readonly name: string;
  readonly description: string;
  readonly options: readonly { readonly flags: readonly string[]; readonly description: string }[];
}

const SHELLS: Readonly<Record<string, (commands: readonly CommandShape[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};
/** Their arguments, or the values of their `--target`, are names of targets. */
const TAKE_TARGET = ['ps', 'pods', 'status', 'restart', 'switch'];
/** Options whose value nothing here can complete. */
const TAKE_WORD: ReadonlySet<string> = new Set(
  '--container -c --service -s --selector -l --namespace -n --context --replica --allow-context --forward --lease'.split(
    ' ',
  ),
);
/** Their `-c` is kubectl's. */
const CONTAINER_COMMANDS = ['debug', 'ps', 'pods', 'inject'];
const SHELL_NAMES = Object.keys(SHELLS);
/** Nothing where there is no config, or none that is right. */
const TARGETS = 'wand __targets 2>/dev/null';

/** `wand __targets`: the names of the config's targets, a line each. Silent and 0 whatever is wrong. */
export async function targetsCommand(): Promise<number> {
  try {
    const { targets } = await loadConfig({ cwd: process.cwd() }, AbortSignal.timeout(2_000));
    for (const { name } of targets) process.stdout.write(`${name}\n`);
  } catch {
    // Somebody pressed Tab: no place for errors.
  }
  return 0;
}

/** Exit code 0. @throws DebugwandError `usage` for another shell */
export function completionCommand(shell: string, commands: readonly CommandShape[]): Promise<number> {
  const script = completionScript(shell, commands);
  process.stdout.write(script);
  return Promise.resolve(0);
}

export function completionScript(shell: string, commands: readonly CommandShape[]): string {
  const make = Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined;
  if (make !== undefined) return make(commands);
  const near = nearest(shell, SHELL_NAMES);
  throw new DebugwandError({
    code: 'usage',
    message: `there is no completion for ${shell}`,
    fix: near === null ? `the shells are ${SHELL_NAMES.join(', ')}` : `did you mean ${near}?`,
  });
}

function flagsOf(command: CommandShape): readonly string[] {
  return [...command.options.flatMap(({ flags }) => flags), '--help'];
}

function bashScript(commands: readonly CommandShape[]): string {
  const cases = commands.map((command) => {
    const words = command.name === 'completion' ? SHELL_NAMES : [];
    const targets = TAKE_TARGET.includes(command.name) ? ` $(_wand_targets)` : '';
    return `    ${command.name}) words="${[...words, ...flagsOf(command)].join(' ')}${targets}" ;;`;
  });
  return `# bash completion of wand: put \`source <(wand completion bash)\` into ~/.bashrc
_wand_targets() {
  ${TARGETS}
}
_wand() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" words index
  for ((index = 1; index < COMP_CWORD; index++)); do
    # Behind -- stands somebody else's command.
    if [[ "\${COMP_WORDS[index]}" == -- ]]; then COMPREPLY=($(compgen -c -f -- "$current")); return; fi
  done
  case "$before" in
    -t | --target) COMPREPLY=($(compgen -W "$(_wand_targets)" -- "$current")); return ;;
    --editor) COMPREPLY=($(compgen -W "${EDITORS.join(' ')}" -- "$current")); return ;;
    --config | --kubeconfig) COMPREPLY=($(compgen -f -- "$current")); return ;;
    -c)
      # Of pods and containers it is the container.
      case "\${COMP_WORDS[1]}" in ${CONTAINER_COMMANDS.join(' | ')}) return ;; esac
      COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(' ')} --help --version" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
    *) words="" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [[ "\${COMP_WORDS[1]}" == inject && "$current" != -* ]]; then COMPREPLY=($(compgen -f -- "$current")); fi
}
complete -o bashdefault -F _wand wand debugwand
`;
}

function zshScript(commands: readonly CommandShape[]): string {
  const quote = (text: string): string => text.replaceAll("'", "'\\''").replaceAll('[', '(').replaceAll(']', ')');
  const list = commands.map(({ name, description }) => `    '${name}:${quote(description).replaceAll(':', '\\:')}'`);
  const cases = commands.map((command) => {
    const options = command.options.flatMap(({ flags, description }) =>
      flags.map((flag) => `'${flag}[${quote(description).replaceAll(':', '\\:')}]${valueOf(flag, flags)}'`),
    );
    const rest = TAKE_TARGET.includes(command.name)
      ? `'*:target:_wand_targets'`
      : command.name === 'completion'
        ? `'1:shell:(${SHELL_NAMES.join(' ')})'`
        : `'*:file:_files'`;
    return `    ${command.name}) _arguments ${[...options, "'--help[help]'", rest].join(' ')} ;;`;
  });
  return `#compdef wand debugwand
# zsh completion of wand: put \`source <(wand completion zsh)\` into ~/.zshrc, behind compinit
_wand_targets() {
  local -a targets
  targets=(\${(f)"$(${TARGETS})"})
  compadd -a targets
}
_wand() {
  local -a commands
  commands=(
${list.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=\${words[2]}
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join('\n')}
  esac
}
if [[ "\${zsh_eval_context[-1]}" == loadautofunc ]]; then _wand "$@"; else compdef _wand wand debugwand; fi
`;
}

/** What follows an option, for zsh. */
function valueOf(flag: string, flags: readonly string[]): string {
  if (flag === '--target' || flag === '-t') return ':target:_wand_targets';
  if (flags.includes('--config') || flag === '--kubeconfig') return ':file:_files';
  if (flag === '--editor') return `:editor:(${EDITORS.join(' ')})`;
  // A word of the user's own.
  return TAKE_WORD.has(flag) ? ':value:' : '';
}

function fishScript(commands: readonly CommandShape[]): string {
  const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = commands.flatMap((command) => {
    const here = `-n '__fish_seen_subcommand_from ${command.name}'`;
    const options = command.options.map(({ flags, description }) => {
      const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
      const value = flags.includes('--target')
        ? ` -x -a '(__wand_targets)'`
        : flags.includes('--editor')
          ? ` -x -a '${EDITORS.join(' ')}'`
          : flags.includes('--config') || flags.includes('--kubeconfig')
            ? ' -r -F'
            : flags.some((flag) => TAKE_WORD.has(flag))
              ? ' -x'
              : '';
      return `complete -c wand ${here} ${names.join(' ')}${value} -d ${quote(description)}`;
    });
    const words = TAKE_TARGET.includes(command.name)
      ? [`complete -c wand ${here} -a '(__wand_targets)'`]
      : command.name === 'completion'
        ? [`complete -c wand ${here} -a '${SHELL_NAMES.join(' ')}'`]
        : command.name === 'inject'
          ? [`complete -c wand ${here} -F`]
          : [];
    return [
      `complete -c wand -n __fish_use_subcommand -a ${command.name} -d ${quote(command.description)}`,
      ...options,
      ...words,
    ];
  });
  return `# fish completion of wand: wand completion fish > ~/.config/fish/completions/wand.fish
function __wand_targets
  ${TARGETS}
end
complete -c wand -f
${lines.join('\n')}
complete -c debugwand -w wand
`;
}
