// Owns how output may look on a stream: colours, characters, width, live or plain. Pure: the environment is an argument.

type Env = Readonly<Record<string, string | undefined>>;

/** What matters of a stream: `process.stdout` fits. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** `live`: one line a target that is drawn anew. `plain`: a line for each change. `json`: an object a line. `none`: the
 * log alone. */
export type UiMode = 'live' | 'plain' | 'json' | 'none';

export interface Style {
  readonly color: boolean;
  /** False: ASCII only. */
  readonly unicode: boolean;
  /** In columns. Not bounded where there is no terminal. */
  readonly width: number;
}

export function outputStyle(screen: Screen, env: Env): Style {
  return { color: mayColor(screen, env), unicode: mayUnicode(env), width: widthOf(screen, env) };
}

/** `--json`, then `--plain`; live needs a terminal that can move its cursor, and nobody who records it (CI). */
export function uiMode(
  options: { readonly plain?: boolean; readonly json?: boolean },
  screen: Screen,
  env: Env,
): UiMode {
  if (options.json === true) return 'json';
  if (options.plain === true || screen.isTTY !== true || isSet(env['CI']) || env['TERM'] === 'dumb') return 'plain';
  return 'live';
}

/** FORCE_COLOR, then NO_COLOR (as Node itself has it), then whether it is a terminal. */
function mayColor(screen: Screen, env: Env): boolean {
  const force = env['FORCE_COLOR'];
  if (force !== undefined) return force !== '0' && force !== 'false';
  if (env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '') return false;
  return screen.isTTY === true && env['TERM'] !== 'dumb';
}

function mayUnicode(env: Env): boolean {
  if (env['TERM'] === 'linux' || env['TERM'] === 'dumb') return false; // the console's font has few of them
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find((value) => value !== undefined && value !== '');
  if (locale !== undefined) return /utf-?8/i.test(locale);
  return env['WT_SESSION'] !== undefined || env['TERM_PROGRAM'] !== undefined;
}

function widthOf(screen: Screen, env: Env): number {
  if (screen.columns !== undefined && screen.columns > 0) return screen.columns;
  const told = Number(env['COLUMNS']);
  if (Number.isInteger(told) && told > 0) return told;
  return screen.isTTY === true ? 80 : Number.POSITIVE_INFINITY;
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== '0' && value !== 'false';
}
