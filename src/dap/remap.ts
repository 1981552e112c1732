// Owns which fields of which message carry an id, and rewrites them. Pure; must not know the state of a session.
import { isInteger, isObject, type JsonObject } from './messages.ts';
import type { IdKind, Ids } from './ids.ts';

/** An id of a worker that is gone: the request must fail, never reach the next worker. */
export class StaleId extends Error {
  readonly kind: IdKind;

  constructor(kind: IdKind) {
    super(`${WORDS[kind]} belongs to a worker that is gone`);
    this.name = 'StaleId';
    this.kind = kind;
  }
}

const WORDS: Readonly<Record<IdKind, string>> = {
  thread: 'this thread',
  frame: 'this stack frame',
  variable: 'this variable',
  source: 'this source',
  module: 'this module',
  goto: 'this jump target',
  stepIn: 'this step-in target',
};

const REQUEST_FIELDS: Readonly<Record<string, IdKind>> = {
  threadId: 'thread',
  frameId: 'frame',
  stackFrameId: 'frame',
  variablesReference: 'variable',
  sourceReference: 'source',
};

/**
 * Arguments as debugpy knows them. By field name, so that requests unknown to us are right too.
 * @throws StaleId
 */
export function argumentsToDebugpy(command: string, args: JsonObject, ids: Ids): JsonObject {
  const out: Record<string, unknown> = { ...args };
  for (const [field, kind] of Object.entries(REQUEST_FIELDS)) {
    if (isInteger(out[field])) out[field] = fresh(kind, out[field], ids);
  }
  if (isInteger(out['targetId'])) out['targetId'] = fresh(command === 'goto' ? 'goto' : 'stepIn', out['targetId'], ids);
  if (Array.isArray(out['threadIds'])) {
    out['threadIds'] = out['threadIds'].map((id: unknown) => (isInteger(id) ? fresh('thread', id, ids) : id));
  }
  if (isObject(out['source'])) out['source'] = sourceToDebugpy(out['source'], ids);
  return out;
}

function fresh(kind: IdKind, id: number, ids: Ids): number {
  const known = ids.toDebugpy(kind, id);
  if (known === null) throw new StaleId(kind);
  return known;
}

/** A source with a path stays usable when its reference is old: the path finds it. */
export function sourceToDebugpy(source: JsonObject, ids: Ids): JsonObject {
  const reference = source['sourceReference'];
  if (!isInteger(reference) || reference === 0) return source;
  const known = ids.toDebugpy('source', reference);
  if (known !== null) return { ...source, sourceReference: known };
  if (typeof source['path'] !== 'string') throw new StaleId('source');
  const rest: Record<string, unknown> = { ...source };
  delete rest['sourceReference'];
  return rest;
}

type Rewrite = (item: JsonObject) => JsonObject;

function field(name: string, kind: IdKind, ids: Ids): Rewrite {
  return (item) => (isInteger(item[name]) ? { ...item, [name]: ids.toEditor(kind, item[name]) } : item);
}

function sourceToEditor(source: JsonObject, ids: Ids): JsonObject {
  const own = field('sourceReference', 'source', ids)(source);
  return Array.isArray(own['sources']) ? { ...own, sources: own['sources'].map((s: unknown) => nested(s, ids)) } : own;
}

function nested(source: unknown, ids: Ids): unknown {
  return isObject(source) ? sourceToEditor(source, ids) : source;
}

function withSource(item: JsonObject, ids: Ids): JsonObject {
  return isObject(item['source']) ? { ...item, source: sourceToEditor(item['source'], ids) } : item;
}

function each(body: JsonObject, list: string, rewrite: Rewrite): JsonObject {
  const items = body[list];
  if (!Array.isArray(items)) return body;
  return { ...body, [list]: items.map((item: unknown) => (isObject(item) ? rewrite(item) : item)) };
}

/** A response's body with the editor's ids. Breakpoints are not its business: breakpoints.ts. */
export function bodyToEditor(command: string, body: unknown, ids: Ids): unknown {
  if (!isObject(body)) return body;
  switch (command) {
    case 'threads':
      return each(body, 'threads', field('id', 'thread', ids));
    case 'stackTrace':
      return each(body, 'stackFrames', (frame) =>
        withSource(field('moduleId', 'module', ids)(field('id', 'frame', ids)(frame)), ids),
      );
    case 'scopes':
      return each(body, 'scopes', (scope) => withSource(field('variablesReference', 'variable', ids)(scope), ids));
    case 'variables':
      return each(body, 'variables', field('variablesReference', 'variable', ids));
    case 'evaluate':
    case 'setVariable':
    case 'setExpression':
      return field('variablesReference', 'variable', ids)(body);
    case 'gotoTargets':
      return each(body, 'targets', field('id', 'goto', ids));
    case 'stepInTargets':
      return each(body, 'targets', field('id', 'stepIn', ids));
    case 'modules':
      return each(body, 'modules', field('id', 'module', ids));
    case 'loadedSources':
      return each(body, 'sources', (source) => sourceToEditor(source, ids));
    default:
      return body;
  }
}

/** An event's body with the editor's ids. */
export function eventToEditor(name: string, body: unknown, ids: Ids): unknown {
  if (!isObject(body)) return body;
  const plain = withSource(field('threadId', 'thread', ids)(field('variablesReference', 'variable', ids)(body)), ids);
  if (name === 'module' && isObject(plain['module'])) {
    return { ...plain, module: field('id', 'module', ids)(plain['module']) };
  }
  return name === 'invalidated' ? field('stackFrameId', 'frame', ids)(plain) : plain;
}
