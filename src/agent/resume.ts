// Owns one try to reach an agent whose wire was cut: a bridge, the token, and what the agent says. Must not try twice.
import { asDebugwandError } from '../lib/errors.ts';
import type { ExecStream } from '../targets/target.ts';
import { Attachment, type AttachmentHooks, type Loss } from './attachment.ts';
import { bridgeCommand, GONE_STATUS } from './bridge.ts';
import { encodeLink, type Frame } from './framing.ts';
import { parseLink } from './guards.ts';
import { BRIDGE_GONE, BRIDGE_MAGIC } from './protocol.ts';

/** How an agent is reached again. */
export interface Way {
  /** Runs a program where the agent runs, as the same user. `replica-gone` ends all tries. */
  readonly reopen: (argv: readonly string[], signal: AbortSignal) => Promise<ExecStream>;
  /** The agent's, for the bridge. */
  readonly interpreter: string;
}

export interface Caller {
  /** Of the agent's socket. */
  readonly name: string;
  readonly token: string;
  /** How many of the agent's frames were taken. */
  readonly received: number;
  /** The agent is there and has so many of ours. Frames follow after this returned. */
  readonly onResumed: (attachment: Attachment, received: number) => void;
  /** From then on. */
  readonly hooks: (attachment: () => Attachment) => AttachmentHooks;
}

/** `again`: nothing is known of the agent. */
export type Outcome =
  | { readonly type: 'resumed' }
  | { readonly type: 'gone'; readonly why: string }
  | { readonly type: 'again'; readonly paused: boolean };

/** Never rejects. An abort ends it, and what it had opened. */
export async function callAgain(way: Way, caller: Caller, signal: AbortSignal): Promise<Outcome> {
  let stream: ExecStream;
  try {
    stream = await way.reopen(bridgeCommand(way.interpreter, caller.name), signal);
  } catch (error) {
    const { code, message } = asDebugwandError(error);
    return code === 'replica-gone'
      ? { type: 'gone', why: message }
      : { type: 'again', paused: code === 'replica-paused' };
  }
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  let resumed = false;
  const hooks = caller.hooks(() => attachment);
  const attachment: Attachment = new Attachment(stream, BRIDGE_MAGIC, {
    onOpen: () => {
      attachment.write(encodeLink({ resume: caller.token, received: caller.received }));
    },
    onFrames: (frames, bytes) => {
      let rest: readonly Frame[] = frames;
      if (!resumed) {
        const first = frames[0];
        if (first === undefined || signal.aborted) return;
        const received = resumedAt(first);
        if (received === null) {
          attachment.close();
          return resolve({ type: 'again', paused: false });
        }
        resumed = true;
        rest = frames.slice(1);
        caller.onResumed(attachment, received);
        resolve({ type: 'resumed' });
      }
      hooks.onFrames(rest, bytes);
    },
    onLost: (loss) => {
      if (resumed) hooks.onLost(loss);
      else resolve(verdict(loss, attachment.tail));
    },
  });
  const abort = (): void => {
    if (resumed) return;
    attachment.close();
    resolve({ type: 'again', paused: false });
  };
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  const outcome = await promise;
  signal.removeEventListener('abort', abort);
  if (outcome.type !== 'resumed') attachment.close();
  return outcome;
}

function resumedAt(frame: Frame): number | null {
  const message = frame.kind === 'link' ? parseLink(frame.value) : null;
  return message !== null && 'resumed' in message ? message.resumed : null;
}

function verdict({ code }: Loss, said: string): Outcome {
  return code === GONE_STATUS || said.includes(BRIDGE_GONE)
    ? { type: 'gone', why: 'the agent has left meanwhile' }
    : { type: 'again', paused: false };
}
