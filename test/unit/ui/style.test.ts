import { expect, test } from 'vitest';
import { outputStyle, type Screen, uiMode } from '../../../src/ui/style.ts';

const tty: Screen = { isTTY: true, columns: 100 };
const pipe: Screen = {};
type Env = Readonly<Record<string, string>>;

const colors: readonly (readonly [screen: Screen, env: Env, color: boolean])[] = [
  [tty, {}, true],
  [pipe, {}, false],
  [tty, { NO_COLOR: '1' }, false],
  [tty, { NO_COLOR: '' }, true],
  [pipe, { FORCE_COLOR: '1' }, true],
  [pipe, { FORCE_COLOR: '' }, true],
  [tty, { FORCE_COLOR: '0' }, false],
  [tty, { FORCE_COLOR: 'false' }, false],
  [pipe, { FORCE_COLOR: '1', NO_COLOR: '1' }, true],
  [tty, { TERM: 'dumb' }, false],
  [tty, { CI: 'true' }, true],
];
test.each(colors)('colour on %j with %j: %s', (screen, env, color) => {
  expect(outputStyle(screen, env).color).toBe(color);
});

test.each<readonly [Env, boolean]>([
  [{ LANG: 'en_US.UTF-8' }, true],
  [{ LANG: 'C' }, false],
  [{ LANG: 'en_US.UTF-8', LC_ALL: 'C' }, false],
  [{ LANG: '', LC_CTYPE: 'utf8' }, true],
  [{}, false],
  [{ TERM_PROGRAM: 'vscode' }, true],
  [{ LANG: 'C.UTF-8', TERM: 'linux' }, false],
])('unicode with %j: %s', (env, unicode) => {
  expect(outputStyle(tty, env).unicode).toBe(unicode);
});

test.each<readonly [Screen, Env, number]>([
  [tty, {}, 100],
  [{ isTTY: true }, {}, 80],
  [pipe, { COLUMNS: '60' }, 60],
  [pipe, {}, Number.POSITIVE_INFINITY],
])('width of %j with %j: %s', (screen, env, width) => {
  expect(outputStyle(screen, env).width).toBe(width);
});

test.each<readonly [{ plain?: boolean; json?: boolean }, Screen, Env, string]>([
  [{}, tty, {}, 'live'],
  [{}, pipe, {}, 'plain'],
  [{}, tty, { CI: '1' }, 'plain'],
  [{}, tty, { CI: 'false' }, 'live'],
  [{}, tty, { TERM: 'dumb' }, 'plain'],
  [{ plain: true }, tty, {}, 'plain'],
  [{ json: true }, tty, {}, 'json'],
  [{ json: true, plain: true }, pipe, {}, 'json'],
])('%j on %j with %j: %s', (options, screen, env, mode) => {
  expect(uiMode(options, screen, env)).toBe(mode);
});
