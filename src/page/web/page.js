// Owns the whole page: a view for each target, the time that is shown, and whether what is shown is still true.
import { element, setText, show } from './elements.js';
import { Store } from './store.js';
import { MARKS, TargetView } from './target.js';
import { clock } from './words.js';

/** Plots move on although nothing happens; a pause is counted by the second. */
const TICK_MS = 1_000;
const IDLE_TICKS = 5;

/** @param {string} id */
function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

const main = byId('targets');
const connection = byId('connection');
const project = byId('project');
const configError = byId('config-error');
const range = byId('range');
const empty = element('p', { class: 'quiet' }, ['The config has no targets.']);

/** @type {Map<string, TargetView>} */
const views = new Map();
const store = new Store(draw);

/** @param {string} target */
async function restart(target) {
  try {
    const response = await fetch('restart', { method: 'POST', body: JSON.stringify({ target }) });
    return (await response.text()).trim();
  } catch {
    return 'wand did not answer';
  }
}

function draw() {
  const { report, history, now } = store;
  drawConnection();
  if (report === null) return;
  const { config, configError: problem, pid, startedAt } = report.daemon;
  setText(project, `${config ?? 'no config file'} · wand ${pid}, since ${clock(startedAt)}`);
  show(configError, problem !== null);
  setText(
    configError,
    problem === null
      ? ''
      : `The config on disk is not used, the last good one stays. ${problem.message}\nTo mend it: ${problem.fix}`,
  );
  const names = new Set(report.targets.map(({ name }) => name));
  for (const [name, view] of views) {
    if (names.has(name)) continue;
    view.destroy();
    views.delete(name);
  }
  const span = { now, ms: shownMs() };
  for (const target of report.targets) {
    let view = views.get(target.name);
    if (view === undefined) {
      view = new TargetView(target.name, restart);
      views.set(target.name, view);
      main.append(view.element);
    }
    const of = history[target.name];
    if (of !== undefined) view.update(target, of, span);
  }
  if (report.targets.length === 0) main.replaceChildren(empty);
  else empty.remove();
  const title = report.targets.map(({ name, phase }) => `${MARKS[phase]} ${name}`).join('  ');
  document.title = `${title} – wand`;
}

function drawConnection() {
  document.body.dataset['connection'] = store.connection;
  const since = clock(store.since);
  const texts = {
    opening: 'opening …',
    live: store.isBack ? `live again since ${since}` : 'live',
    lost: `wand does not answer since ${since}: below is what was seen last. Trying again …`,
    refused: `another wand is here since ${since}: open the page anew, with key o or the address from wand status`,
  };
  setText(connection, texts[store.connection]);
  if (store.connection !== 'live') document.title = '– wand does not answer';
}

function shownMs() {
  const chosen = range.querySelector('input:checked');
  return chosen instanceof HTMLInputElement ? Number(chosen.value) : 900_000;
}

range.addEventListener('change', draw);
let ticks = 0;
setInterval(() => {
  ticks += 1;
  const counts = store.report?.targets.some(({ pause }) => pause !== null) === true;
  if (document.visibilityState === 'hidden' || store.connection !== 'live') return;
  if (counts || ticks % IDLE_TICKS === 0) draw();
}, TICK_MS);
document.addEventListener('visibilitychange', draw);
