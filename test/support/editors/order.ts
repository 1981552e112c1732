/** The rules of order that a conversation with wand keeps, whatever the editor does; see the session keeper. Pure. */
import type { DapEntry, Entry } from './conversation.ts';

/** Of the console: the breakpoints are set in a worker. */
export function isAttached(message: DapEntry): boolean {
  return message.event === 'output' && text(message.body, 'output').startsWith('attached to worker');
}

/** Every breach, in words; empty when all is well. */
export function orderFaults(entries: readonly Entry[]): string[] {
  const faults: string[] = [];
  const open = new Map<number, string>();
  const threads = new Set<number>();
  const stopped = new Set<number>();
  let initialized = false;
  let configured = false;
  let live = false;
  let leaving = false;
  let over = false;
  for (const entry of entries) {
    if (entry.from === 'stage') continue;
    const { message } = entry;
    const { command = '', event = '' } = message;
    if (entry.from === 'editor') {
      if (message.type !== 'request') continue;
      if (open.has(message.seq)) faults.push(`request ${String(message.seq)} was sent twice`);
      // Who goes on asking after the end is owed nothing: dape does.
      if (!over) open.set(message.seq, command);
      if (command === 'disconnect' || command === 'terminate') leaving = true;
      if (command === 'continue') stopped.clear();
      if (['next', 'stepIn', 'stepOut'].includes(command)) stopped.delete(number(message.arguments, 'threadId'));
      continue;
    }
    if (message.type === 'response') {
      const asked = open.get(message.request_seq ?? -1);
      open.delete(message.request_seq ?? -1);
      if (asked !== command) faults.push(`a response to "${command}", which is not open`);
      if (command === 'configurationDone') configured = true;
      if (command === 'attach' && message.success === true && !(initialized && configured))
        faults.push('"attach" was answered before the configuration was done');
      continue;
    }
    switch (event) {
      case 'initialized':
        if (initialized) faults.push('"initialized" came twice');
        initialized = true;
        break;
      case 'terminated':
      case 'exited':
        if (!leaving) faults.push(`"${event}" came although the editor had not left`);
        over = true;
        break;
      case 'thread': {
        const id = number(message.body, 'threadId');
        if (text(message.body, 'reason') === 'started') threads.add(id);
        else {
          if (stopped.has(id)) faults.push(`thread ${String(id)} exited while its stop was on the screen`);
          threads.delete(id);
          if (threads.size === 0) live = false;
        }
        break;
      }
      case 'output':
        if (isAttached(message)) live = true;
        break;
      case 'stopped': {
        const id = number(message.body, 'threadId');
        if (!live) faults.push('"stopped" came before the editor knew the worker');
        stopped.add(id);
        break;
      }
      case 'continued':
        stopped.clear();
        break;
      default:
        break;
    }
  }
  for (const command of open.values()) faults.push(`"${command}" was never answered`);
  return faults;
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && name in value ? Reflect.get(value, name) : undefined;
}

function text(value: unknown, name: string): string {
  const found = field(value, name);
  return typeof found === 'string' ? found : '';
}

function number(value: unknown, name: string): number {
  const found = field(value, name);
  return typeof found === 'number' ? found : -1;
}
