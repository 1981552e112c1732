import { describe, expect, test } from 'vitest';
import type { StatusReport } from '../../../src/core/status.ts';
import { blockedText, linkOf, type Notice, SAMPLES, summary } from '../../../src/ui/notification-text.ts';
import { attached, report } from '../../support/reports.ts';

describe('the words of a notification', () => {
  const back: Notice = { kind: 'reattached', target: 'api', text: 'worker 43 after a reload', ms: 140 };
  const blocked: Notice = { kind: 'blocked', target: 'web', text: 'no right. Fix: add SYS_PTRACE', ms: null };
  const crashed: Notice = { kind: 'crashed', target: 'api', text: 'KeyError (worker 43)', ms: null };
  const late: Notice = { kind: 'paused', target: 'api', text: 'the probe fails', ms: 9_200 };
  test.each<[string, readonly Notice[], string, string]>([
    ['one', [back], 'api: debugger back in 0.14 s', 'worker 43 after a reload'],
    [
      'the last of several',
      [{ ...back, ms: 900 }, back],
      'api: debugger back in 0.14 s',
      'worker 43 after a reload (2 times)',
    ],
    [
      'several targets',
      [back, { ...back, target: 'web' }],
      'api, web: debugger back in 0.14 s',
      'worker 43 after a reload (2 times)',
    ],
    ['the worst', [back, crashed, blocked], 'web: blocked', 'no right. Fix: add SYS_PTRACE'],
    ['seconds left', [blocked, late], 'api: 10 s left', 'Continue: the probe fails'],
    ['none left', [{ ...late, ms: 0 }], 'api: paused for too long', 'the probe fails'],
    [
      'a crash, and the next worker',
      [crashed, back],
      'api: worker crashed',
      'KeyError (worker 43). Debugger back in 0.14 s',
    ],
    ['a crash of the next worker', [back, crashed], 'api: worker crashed', 'KeyError (worker 43)'],
    [
      'a crash, and the next worker of another',
      [crashed, { ...back, target: 'web' }],
      'api: worker crashed',
      'KeyError (worker 43)',
    ],
  ])('%s', (_name, notices, title, message) => {
    expect(summary(notices)).toMatchObject({ title, message });
  });

  test('of nothing are none', () => {
    expect(summary([])).toBeNull();
  });

  test('leave room for the fix', () => {
    expect(blockedText('m', 'mend it')).toBe('m. Fix: mend it');
    expect(blockedText('m', null)).toBe('m');
    expect(blockedText('m'.repeat(1000), 'mend it')).toMatch(/^m{220}…\. Fix: mend it$/);
  });

  test('are shown by `wand notify --test`, each kind once', () => {
    expect(SAMPLES.map(({ kind }) => kind)).toEqual(['reattached', 'crashed', 'blocked', 'paused']);
  });
});

describe('a click leads to', () => {
  const code = { ...attached, editor: { connected: true, client: 'Visual Studio Code' } };
  const config = '/home/me/my shop/debugwand.config.ts';
  const daemon = { ...report([]).daemon, page: 'http://127.0.0.1:4711/?token=x' };
  const withPage: StatusReport = { ...report([code]), daemon };
  test.each<[string, StatusReport, string | null]>([
    ['the status page', withPage, 'http://127.0.0.1:4711/?token=x'],
    ['the window of VS Code', report([attached, code], { config }), 'vscode://file/home/me/my%20shop/'],
    [
      'that of its preview',
      report([{ ...code, editor: { connected: true, client: 'Visual Studio Code - Insiders' } }], { config }),
      'vscode-insiders://file/home/me/my%20shop/',
    ],
    [
      'nothing with an editor that left',
      report([{ ...code, editor: { ...code.editor, connected: false } }], { config }),
      null,
    ],
    [
      'nothing with another editor',
      report([{ ...code, editor: { connected: true, client: 'Neovim' } }], { config }),
      null,
    ],
    ['nothing without a folder', report([code], { config: null }), null],
  ])('%s', (_name, status, url) => {
    expect(linkOf(status)?.url ?? null).toBe(url);
  });
});
