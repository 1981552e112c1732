// Owns one target on the page: what it does now, its plots and its tables.
import { element, setAttribute, setText, show } from './elements.js';
import { PhasePlot } from './phases.js';
import { Tables } from './tables.js';
import { Timeline } from './timeline.js';
import { clock, duration, median, milliseconds } from './words.js';

/** @typedef {import('../../core/status.ts').TargetReport} TargetReport */
/** @typedef {import('../history.ts').TargetHistory} TargetHistory */
/** @typedef {import('./timeline.js').Range} Range */

/** The marks of the terminal's status line: told apart without colours. */
export const MARKS = { waiting: '○', entering: '◐', attached: '●', stopped: '◆', blocked: '✗' };

const FACTS = /** @type {const} */ (['Worker', 'Editor', 'Port', 'Way in', 'debugpy', 'Re-attaches']);

export class TargetView {
  #mark = element('span', { class: 'mark', 'aria-hidden': 'true' });
  #phase = element('span', { class: 'phase' });
  #sentence = element('p', { class: 'sentence' });
  #restart = element('button', { type: 'button' }, ['Restart']);
  #answer = element('p', { class: 'answer', role: 'status' });
  #trouble = element('div', { class: 'trouble', role: 'alert' });
  #pause = element('p', { class: 'pause' });
  #facts = new Map(FACTS.map((name) => [name, element('dd')]));
  /** Not there while nothing is known. */
  #end = element('div', {}, [element('dt', {}, ['Last end'])]);
  #endText = element('dd');
  #timeline;
  #phases = new PhasePlot();
  #tables = new Tables();

  /** @param {string} name @param {(name: string) => Promise<string>} restart */
  constructor(name, restart) {
    this.#timeline = new Timeline(name);
    const id = `target-${CSS.escape(name)}`;
    setAttribute(this.#restart, 'aria-label', `Restart ${name}`);
    this.#restart.addEventListener('click', () => {
      this.#restart.disabled = true;
      void restart(name).then((text) => {
        this.#restart.disabled = false;
        setText(this.#answer, text);
      });
    });
    const head = element('header', {}, [
      element('h2', { id }, [this.#mark, name]),
      this.#phase,
      this.#sentence,
      this.#restart,
    ]);
    const facts = element(
      'dl',
      { class: 'facts' },
      [...this.#facts].map(([term, value]) => element('div', {}, [element('dt', {}, [term]), value])),
    );
    this.#end.append(this.#endText);
    facts.append(this.#end);
    this.element = element('article', { 'aria-labelledby': id }, [
      head,
      this.#answer,
      this.#trouble,
      this.#pause,
      facts,
      element('div', { class: 'plots' }, [
        element('div', {}, [this.#timeline.attaches, this.#timeline.figures, this.#tables.things]),
        element('div', {}, [this.#phases.element, this.#tables.events]),
      ]),
    ]);
  }

  /** @param {TargetReport} target @param {TargetHistory} history @param {Range} range */
  update(target, history, range) {
    const { phase, message, error, worker } = target;
    setAttribute(this.element, 'data-phase', phase);
    setText(this.#mark, MARKS[phase]);
    setText(this.#phase, phase);
    setText(this.#sentence, message);
    show(this.#answer, this.#answer.textContent !== '');
    show(this.#trouble, error !== null);
    setText(this.#trouble, error === null ? '' : `${error.message}\nTo mend it: ${error.fix}`);
    const pause = pauseText(target, range.now);
    show(this.#pause, pause !== '');
    setText(this.#pause, pause);
    this.#fact(
      'Worker',
      worker === null ? 'none' : `${worker.pid}, the ${ordinal(worker.generation)}, Python ${worker.python}`,
    );
    this.#fact('Editor', target.editor.connected ? (target.editor.client ?? 'attached') : 'none');
    this.#fact('Port', `127.0.0.1:${target.port}`);
    this.#fact('Way in', wayIn(target));
    this.#fact('debugpy', target.entry?.debugpy ?? '–');
    this.#fact('Re-attaches', reattachText(target, history));
    const { lastEnd } = target;
    show(this.#end, lastEnd?.crashed === true);
    setText(
      this.#endText,
      lastEnd === null
        ? ''
        : `worker ${lastEnd.pid} crashed at ${clock(lastEnd.at)}: ${lastEnd.reason ?? 'no reason known'}`,
    );
    this.#timeline.update(history, range);
    show(this.#phases.element, history.reattaches.length > 0);
    this.#phases.update(history.reattaches);
    this.#tables.update(target, history, range.now);
  }

  destroy() {
    this.#timeline.destroy();
    this.#phases.destroy();
    this.element.remove();
  }

  /** @param {typeof FACTS[number]} name @param {string} text */
  #fact(name, text) {
    const value = this.#facts.get(name);
    if (value !== undefined) setText(value, text);
  }
}

/** @param {TargetReport} target @param {number} now */
function pauseText({ stoppedAt, pause, pauseBudget }, now) {
  if (stoppedAt === null || pause === null) return '';
  const since = `Stopped at ${stoppedAt} for ${duration(now - pause.since)}.`;
  if (pause.until !== null) {
    const left = pause.until - now;
    return `${since} ${left > 0 ? `${duration(left)} left` : 'Its time is over'}: ${pause.limits[0] ?? ''}.`;
  }
  const answered = pauseBudget?.answered ?? [];
  const cover = answered.length > 0 ? ` Answered in the app’s place: ${answered.join(', ')}.` : '';
  return `${since} Nothing is known that would end the worker.${cover}`;
}

/** @param {TargetReport} target */
function wayIn({ entry }) {
  if (entry === null) return '–';
  const skipped = entry.skipped.map(({ rung, why }) => `not ${rung}: ${why}`);
  return [entry.rung, ...skipped].join('; ');
}

/** @param {TargetReport} target @param {TargetHistory} history */
function reattachText({ reattach }, { reattaches }) {
  if (reattach.last === null) return 'none yet';
  const middle = median(reattaches.filter(({ slot }) => slot === undefined).map(({ ms }) => ms));
  return `${reattach.count}, last ${milliseconds(reattach.last.ms)}, median ${milliseconds(middle)}`;
}

/** @param {number} n */
function ordinal(n) {
  const ends = { one: 'st', two: 'nd', few: 'rd', other: 'th', zero: 'th', many: 'th' };
  return `${n}${ends[new Intl.PluralRules('en', { type: 'ordinal' }).select(n)]}`;
}
