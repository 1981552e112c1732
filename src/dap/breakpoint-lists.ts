// Owns the lists of breakpoints as the editor sends them and as debugpy can take them. Pure; keeps nothing.
import { isInteger, isObject, objects, type JsonObject } from './messages.ts';
import { sourceToDebugpy, StaleId } from './remap.ts';
import type { Ids } from './ids.ts';

export type ListCommand = 'setBreakpoints' | 'setFunctionBreakpoints' | 'setExceptionBreakpoints';

export function isListCommand(command: string): command is ListCommand {
  return command === 'setBreakpoints' || command === 'setFunctionBreakpoints' || command === 'setExceptionBreakpoints';
}

/** What makes a list unusable, or null. pydevd's reader thread dies of these, so they must not reach it. */
export function invalidList(command: ListCommand, args: JsonObject): string | null {
  if (command === 'setExceptionBreakpoints') return null;
  if (command === 'setBreakpoints' && !isObject(args['source'])) return 'setBreakpoints needs a source';
  const given = args['breakpoints'] ?? [];
  if (!Array.isArray(given) || !given.every(isObject)) return 'breakpoints must be a list of breakpoints';
  for (const breakpoint of objects(given)) {
    const key = command === 'setBreakpoints' ? isInteger(breakpoint['line']) : typeof breakpoint['name'] === 'string';
    if (!key) return command === 'setBreakpoints' ? 'a breakpoint needs a line' : 'a function breakpoint needs a name';
    for (const name of ['condition', 'hitCondition', 'logMessage']) {
      const value = breakpoint[name];
      if (value !== undefined && value !== null && typeof value !== 'string') return `${name} must be a string`;
    }
  }
  return null;
}

/** The arguments for debugpy, or null where it cannot have such a breakpoint: it knows sources by path only. */
export function listForDebugpy(command: ListCommand, given: JsonObject, ids: Ids): JsonObject | null {
  const args = withoutModified(given);
  switch (command) {
    case 'setBreakpoints': {
      const source = isObject(args['source']) ? args['source'] : {};
      if (typeof source['path'] !== 'string') return null;
      try {
        return { ...args, source: sourceToDebugpy(source, ids), breakpoints: objects(args['breakpoints']) };
      } catch (error) {
        if (error instanceof StaleId) return null;
        throw error;
      }
    }
    case 'setFunctionBreakpoints':
      return { ...args, breakpoints: objects(args['breakpoints']) };
    case 'setExceptionBreakpoints':
      return { ...args, filters: Array.isArray(args['filters']) ? args['filters'] : [] };
  }
}

function withoutModified(args: JsonObject): JsonObject {
  const rest: Record<string, unknown> = { ...args };
  delete rest['sourceModified'];
  return rest;
}
