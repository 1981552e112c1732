/**
 * Plays a recorded editor: sends what it sent, once wand has said what it had said before that, with the ids of this run
 * in the place of the recorded ones.
 */
import type { DapClient, DapMessage } from '../dap-client.ts';
import { until } from '../until.ts';
import { replaced, type Conversation, type DapEntry, type Entry, type StageAction } from './conversation.ts';
import { isAttached } from './order.ts';

/** Names of the ids that editors send back, and the fields they come in. */
const IDS: Readonly<Record<string, string>> = {
  threadId: 'thread',
  frameId: 'frame',
  variablesReference: 'variables',
};
/** Behind one of these, questions about the stop are asked too late, or just in time. */
const RESUMES: ReadonlySet<string> = new Set(['continue', 'next', 'stepIn', 'stepOut', 'disconnect']);
/** What an editor waits for; the order of the rest among each other is nobody's business. */
const AWAITED: ReadonlySet<string> = new Set(['initialized', 'stopped', 'terminated']);

export interface Replayed {
  /** As it went this time. */
  readonly entries: readonly Entry[];
  /** Where wand refused what it had granted, or granted what it had refused, in words. */
  readonly differences: readonly string[];
}

/** @param words what stands for what of this run in the recording: `[['/app', '/tmp/wand-app-x']]` */
export class Replay {
  readonly #client: DapClient;
  readonly #stage: (action: StageAction) => Promise<void>;
  readonly #conversation: Conversation;
  readonly #ids = new Map<string, number>();
  readonly #entries: Entry[] = [];
  readonly #differences: string[] = [];
  readonly #answered = new Map<number, Promise<DapMessage>>();
  /** Requests of the recording that had no response yet when others had. */
  readonly #open = new Map<number, string>();
  /** Those whose answer is a matter of moments, then as now. */
  readonly #late = new Set<number>();
  #stopped = false;
  #heard = 0;
  #seq = 0;

  constructor(
    conversation: Conversation,
    words: readonly (readonly [string, string])[],
    client: DapClient,
    stage: (action: StageAction) => Promise<void>,
  ) {
    this.#conversation = JSON.parse(replaced(JSON.stringify(conversation), words)) as Conversation;
    this.#client = client;
    this.#stage = stage;
  }

  async play(): Promise<Replayed> {
    const counts = new Map<string, number>();
    const responses: DapEntry[] = [];
    for (const entry of this.#conversation.entries) {
      if (entry.from === 'wand') {
        const kind = awaited(entry.message);
        if (kind !== null) counts.set(kind, (counts.get(kind) ?? 0) + 1);
        if (entry.message.type === 'response') {
          responses.push(entry.message);
          this.#open.delete(entry.message.request_seq ?? -1);
        }
        if (entry.message.event === 'stopped') this.#stopped = true;
        continue;
      }
      await this.#caughtUp(counts, responses);
      if (entry.from === 'stage') {
        this.#note(entry);
        if (entry.action === 'kill') this.#goesOn();
        await this.#stage(entry.action);
      } else if (!this.#client.closed) this.#send(entry.message);
    }
    await this.#caughtUp(counts, responses);
    this.#hear();
    return { entries: this.#entries, differences: this.#differences };
  }

  #send(message: DapEntry): void {
    if (message.type !== 'request') throw new Error('a recorded editor that answers a request is not played yet');
    const { command = '' } = message;
    if (RESUMES.has(command)) this.#goesOn();
    else if (!this.#stopped && isAboutStop(command)) this.#late.add(message.seq);
    this.#open.set(message.seq, command);
    const fields = { command, ...('arguments' in message ? { arguments: this.#translated(message.arguments) } : {}) };
    this.#seq += 1;
    this.#note({ from: 'editor', message: { seq: this.#seq, type: 'request', ...fields } });
    const answer = this.#client.askAs(fields);
    // A goodbye after the goodbye gets none.
    answer.catch(() => undefined);
    this.#answered.set(message.seq, answer);
  }

  /** The stop ends: what is still asked about it comes in time or not. */
  #goesOn(): void {
    this.#stopped = false;
    for (const [seq, command] of this.#open) if (isAboutStop(command)) this.#late.add(seq);
  }

  /** Until wand has said all that the recorded editor had heard at this point. */
  async #caughtUp(counts: ReadonlyMap<string, number>, responses: DapEntry[]): Promise<void> {
    for (const recorded of responses.splice(0)) {
      const response = await this.#answered.get(recorded.request_seq ?? -1);
      if (response === undefined) continue;
      const late = this.#late.has(recorded.request_seq ?? -1);
      if (response.success !== recorded.success && !late) {
        this.#differences.push(`${String(recorded.command)} now says ${JSON.stringify(response)}`);
      }
      this.#learn(recorded.body, response.body);
    }
    for (const [kind, count] of counts) {
      await until(() => this.#times(kind) >= count, `"${kind}" for the ${String(count)}th time`, 60_000);
    }
    this.#hear();
    this.#learnStops();
  }

  #times(kind: string): number {
    return this.#client.received.filter((message) => awaited(message) === kind).length;
  }

  /** Takes note of what wand said meanwhile. */
  #hear(): void {
    const { received } = this.#client;
    for (; this.#heard < received.length; this.#heard += 1) {
      const message = received[this.#heard];
      if (message !== undefined) this.#note({ from: 'wand', message });
    }
  }

  #note(entry: Entry): void {
    if (entry.from === 'editor') this.#hear();
    this.#entries.push(entry);
  }

  /** The thread of the nth stop then is the thread of the nth stop now. */
  #learnStops(): void {
    const stops = (messages: readonly DapEntry[]): readonly unknown[] =>
      messages.flatMap((message) => (message.event === 'stopped' ? [message.body] : []));
    const then = stops(this.#conversation.entries.flatMap((entry) => (entry.from === 'wand' ? [entry.message] : [])));
    stops(this.#client.received).forEach((body, index) => this.#learn(then[index], body));
  }

  /** Pairs the ids that stand in the same places. */
  #learn(then: unknown, now: unknown, parent = ''): void {
    if (Array.isArray(then) && Array.isArray(now)) {
      then.forEach((value: unknown, index) => this.#learn(value, now[index], parent));
    } else if (isRecord(then) && isRecord(now)) {
      for (const [name, value] of Object.entries(then)) {
        const kind = name === 'id' ? (parent === 'stackFrames' ? 'frame' : null) : IDS[name];
        if (typeof value === 'number' && typeof now[name] === 'number' && kind !== null && kind !== undefined) {
          if (value !== 0) this.#ids.set(`${kind} ${String(value)}`, now[name]);
        } else this.#learn(value, now[name], name);
      }
    }
  }

  #translated(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((one: unknown) => this.#translated(one));
    if (!isRecord(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => {
        const known = this.#ids.get(`${IDS[name] ?? ''} ${String(inner)}`);
        return [name, known ?? this.#translated(inner)];
      }),
    );
  }
}

function isAboutStop(command: string): boolean {
  return ['stackTrace', 'scopes', 'variables', 'evaluate', 'completions'].includes(command);
}

function awaited(message: DapEntry): string | null {
  if (message.event === undefined) return null;
  if (AWAITED.has(message.event)) return message.event;
  return isAttached(message) ? 'attached' : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
