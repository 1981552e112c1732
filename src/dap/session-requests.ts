// Owns what becomes of each request of the editor: answered here, or passed on. Pure. Every request that enters gets
// exactly one response, sooner or later.
import { refuseAttach } from './attach-arguments.ts';
import { childWay } from './child-session.ts';
import { invalidList, isListCommand, type ListCommand } from './breakpoint-lists.ts';
import { capabilities, UNANSWERED_BY_DEBUGPY } from './capabilities.ts';
import { isInteger, isObject, stringOr, type DapRequest, type JsonObject } from './messages.ts';
import { argumentsToDebugpy, StaleId } from './remap.ts';
import { connectWorker, sendList, start, takesRequests } from './session-configure.ts';
import type { Core, Editor } from './session-core.ts';
import { cancelProgress, startWaiting } from './session-waiting.ts';
import { leave, terminate } from './session-leave.ts';

const NO_WORKER = 'no worker is attached: waiting for the next one';
/** Sources with a source map of the editor that are remembered. */
const MAX_SOURCE_MAPS = 1000;
/** How long pydevd may take for a question about a thread that is not stopped; it forgets some of them. */
const RUNNING_ANSWER_MS = 5000;

const NEEDS_STOP: ReadonlySet<string> = new Set([
  'stackTrace',
  'scopes',
  'variables',
  'exceptionInfo',
  'completions',
  'setVariable',
  'setExpression',
  'stepInTargets',
]);

/** A request of an editor that has initialized. */
export function editorRequest(core: Core, editor: Editor, request: DapRequest): void {
  const { command, arguments: args } = request;
  const key = core.opened(editor, request.seq, command);
  if (command === 'disconnect') return leave(core, editor, key, args['terminateDebuggee'] === true);
  if (editor.phase === 'leaving' || editor.phase === 'terminated') {
    return core.fail(key, 'the debug session has ended');
  }
  if (isListCommand(command)) return setList(core, editor, key, command, args);
  switch (command) {
    case 'initialize':
      return core.fail(key, 'this session is initialized already');
    case 'launch':
      return core.fail(
        key,
        'debugwand attaches to workers that run already: use "request": "attach" in the debug configuration',
      );
    case 'attach':
      return attach(core, editor, key, args);
    case 'configurationDone':
      return configurationDone(core, editor, key);
    case 'terminate':
      return terminate(core, editor, key);
    case 'restart':
      core.announce({ type: 'restart-requested' });
      return core.respond(key);
    case 'cancel':
      return cancel(core, editor, key, args);
    case 'pydevdAuthorize':
      // What is between us and debugpy is not the editor's to authorize.
      return core.respond(key, { clientAccessToken: null });
    case 'setDebuggerProperty':
      editor.debuggerProperties = { ...editor.debuggerProperties, ...args };
      return pass(core, key, command, args, () => core.respond(key));
    case 'setPydevdSourceMap':
      rememberSourceMap(editor, args);
      return pass(core, key, command, args, () => core.respond(key));
    case 'threads':
      if (core.upstream?.phase !== 'live') return core.respond(key, { threads: [] });
      return pass(core, key, command, args, () => core.respond(key, { threads: [] }));
    case 'debugpySystemInfo':
      return pass(core, key, command, args, () => core.respond(key, systemInfo(core, {})));
    case 'continue':
      return goOn(core, key, args);
    case 'next':
    case 'stepIn':
    case 'stepOut':
      return step(core, key, command, args);
    default:
      return pass(core, key, command, args, () => core.fail(key, NO_WORKER));
  }
}

/** The answer to `initialize`, which needs no worker. */
export function initializeRequest(core: Core, editor: Editor, request: DapRequest): void {
  core.respond(core.opened(editor, request.seq, request.command), capabilities(core.options.terminateOnDisconnect));
}

function attach(core: Core, editor: Editor, key: number, args: JsonObject): void {
  const refusal =
    editor.attachKey === null ? refuseAttach(args, core.options.child === true) : 'this session is attached already';
  if (refusal !== null) return core.fail(key, refusal);
  editor.attachKey = key;
  editor.attachedAt = core.now;
  editor.attachArguments = args;
  editor.phase = 'configuring';
  core.announce({ type: 'editor', connected: true, client: editor.client });
  core.tell('initialized');
  startWaiting(core, 'attach');
  connectWorker(core);
}

/** Always success: VS Code disconnects on failure. */
function configurationDone(core: Core, editor: Editor, key: number): void {
  core.respond(key);
  if (editor.phase !== 'configuring') return;
  editor.phase = 'running';
  if (editor.attachKey !== null) core.respond(editor.attachKey);
  if (core.upstream?.phase === 'configuring') start(core, core.upstream);
  const way = childWay(editor.initialize, editor.attachArguments);
  if (way !== null && core.options.child !== true) core.announce({ type: 'children', way });
}

function setList(core: Core, editor: Editor, key: number, command: ListCommand, args: JsonObject): void {
  const invalid = invalidList(command, args);
  if (invalid !== null) return core.fail(key, invalid);
  const list = editor.breakpoints.set(command, args);
  const upstream = core.upstream;
  if (upstream !== null && takesRequests(upstream)) return sendList(core, editor, upstream, list, [key]);
  if (upstream !== null && core.now < upstream.holdUntil) {
    // The worker is a few milliseconds away: the true answer is worth the wait.
    editor.held.push({ key, list });
    return;
  }
  core.respond(key, editor.breakpoints.answer(list));
}

/** Passes a request on; `otherwise` answers it when there is no debugpy to pass it to. */
function pass(core: Core, key: number, command: string, args: JsonObject, otherwise: () => void): void {
  if (UNANSWERED_BY_DEBUGPY.has(command)) return core.fail(key, `debugpy does not support "${command}"`);
  const upstream = core.upstream;
  if (upstream === null || !takesRequests(upstream)) return otherwise();
  const known = translated(core, key, command, args);
  if (known === null) return;
  const named = command === 'debugpySystemInfo' && upstream.worker.origin !== 'app-listening';
  const needsStop = NEEDS_STOP.has(command) || (command === 'evaluate' && args['frameId'] !== undefined);
  const fromTop = command === 'stackTrace' && !args['startFrame'] && isInteger(args['threadId']);
  core.ask(upstream, everyThread(command, known), {
    role: 'editor',
    // pydevd knows this one by another name; debugpy's adapter adds its own version to the answer.
    command: named ? 'pydevdSystemInfo' : command,
    key,
    needsStop,
    topOf: fromTop && isInteger(args['threadId']) ? args['threadId'] : null,
    // A `pause` that comes before the threads run takes the answer to `continue` away.
    deadline:
      (needsStop && upstream.stopped.size === 0) || command === 'continue' ? core.now + RUNNING_ANSWER_MS : null,
  });
}

/** Arguments as debugpy knows them; null: they are about a worker that is gone, and the request was answered so. */
function translated(core: Core, key: number, command: string, args: JsonObject): JsonObject | null {
  try {
    return argumentsToDebugpy(command, args, core.ids);
  } catch (error) {
    if (!(error instanceof StaleId)) throw error;
    core.fail(key, error.message);
    return null;
  }
}

/** Whoever resumes what runs, or a worker that just died, has what was wanted. */
function goOn(core: Core, key: number, args: JsonObject): void {
  const { upstream } = core;
  const yes = (): void => core.respond(key, { allThreadsContinued: true });
  const runs = upstream !== null && upstream.stopped.size === 0 && takesRequests(upstream);
  if (!runs) return pass(core, key, 'continue', args, yes);
  if (translated(core, key, 'continue', args) === null) return;
  // pydevd answers when a thread resumes: here none will. It hears of it all the same, should a stop be on its way.
  core.ask(upstream, everyThread('continue', {}), { role: 'quiet', command: 'continue' });
  yes();
}

/** Without `granularity`: pydevd steps by lines, and refuses a word that it does not know. */
function step(core: Core, key: number, command: string, args: JsonObject): void {
  const known: Record<string, unknown> = { ...args };
  delete known['granularity'];
  pass(core, key, command, known, () => core.respond(key));
}

/** `continue` and `pause` are about all threads, as debugpy's adapter has it. */
function everyThread(command: string, args: JsonObject): JsonObject {
  if (command !== 'continue' && command !== 'pause') return args;
  const all: Record<string, unknown> = { ...args, threadId: '*' };
  delete all['singleThread'];
  return all;
}

/** `body`: pydevd's answer to pydevdSystemInfo. */
function systemInfo(core: Core, body: unknown): JsonObject {
  const version = core.upstream?.worker.debugpy;
  return { debugpy: version === undefined ? {} : { version }, ...(isObject(body) ? body : {}) };
}

function rememberSourceMap(editor: Editor, args: JsonObject): void {
  const path = isObject(args['source']) ? stringOr(args['source']['path'], null) : null;
  if (path === null) return;
  editor.sourceMaps.delete(path);
  editor.sourceMaps.set(path, args);
  const [oldest] = editor.sourceMaps.keys();
  if (editor.sourceMaps.size > MAX_SOURCE_MAPS && oldest !== undefined) editor.sourceMaps.delete(oldest);
}

/** A cancelled request is answered at once; what debugpy still says about it is dropped. */
function cancel(core: Core, editor: Editor, key: number, args: JsonObject): void {
  if (typeof args['progressId'] === 'string') cancelProgress(core, args['progressId']);
  const seq = args['requestId'];
  const found = [...editor.open].find(([, request]) => request.seq === seq && isCancellable(request.command));
  if (found !== undefined) core.fail(found[0], 'cancelled');
  core.respond(key);
}

function isCancellable(command: string): boolean {
  return NEEDS_STOP.has(command) || command === 'evaluate' || command === 'source' || command === 'modules';
}
