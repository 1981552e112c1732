// Owns the way to one agent over successive streams: under a lease a cut is no end, the same conversation goes on over the
// next stream. Must not know what the messages mean, nor how streams are opened.
import { randomBytes } from 'node:crypto';
import { delayMs, type BackoffPolicy } from '../core/backoff.ts';
import { pause } from '../lib/time.ts';
import type { ExecStream } from '../targets/target.ts';
import { Attachment, type AttachmentHooks, type Loss } from './attachment.ts';
import { encodeLink, type Frame } from './framing.ts';
import { parseLink } from './guards.ts';
import { Link } from './link.ts';
import { MAGIC } from './protocol.ts';
import { callAgain, type Outcome, type Way } from './resume.ts';

const MEND: BackoffPolicy = { firstMs: 100, maxMs: 3_000, healthyMs: 0 };
/** One try to mend may take so long, ms. */
const TRY_MS = 15_000;
const PING_MS = 5_000;
/** So many pings without a byte in return are a cut. */
const MOST_SILENT_PINGS = 4;

/** What makes a cut no end. */
export interface Lease extends Way {
  /** So long the agent waits for another wire. */
  readonly seconds: number;
  /** Null: mended. At the end of it all nothing more is said. */
  readonly onCut?: (cut: Cut | null) => void;
  /** Default: 5,000. */
  readonly pingMs?: number;
}

export interface Cut {
  readonly why: string;
  /** The agent is waited for until then, ms since the epoch. */
  readonly until: number;
}

export interface WireHooks {
  /** A message, data, or junk. */
  readonly onFrame: (frame: Exclude<Frame, { kind: 'link' }>) => void;
  readonly onEnd: (why: string, stderrTail: string) => void;
}

export class AgentWire {
  readonly #hooks: WireHooks;
  readonly #lease: Lease | null;
  readonly #name = `debugwand-agent-${randomBytes(8).toString('hex')}`;
  readonly #token = randomBytes(16).toString('hex');
  /** The agent's own stream ends with the agent; those of bridges do not. */
  readonly #first: Attachment;
  #attachment: Attachment;
  /** Null: no lease, or none yet. */
  #link: Link | null = null;
  /** Non-null: another stream is looked for. */
  #cut: (Cut & { readonly tries: AbortController }) | null = null;
  #roomLeft = true;
  #waiting: (() => void)[] = [];
  #paused = false;
  #ended = false;
  #leaving = false;
  #pinger: NodeJS.Timeout | null = null;
  #heard = true;
  #silentPings = 0;

  constructor(stream: ExecStream, hooks: WireHooks, lease: Lease | null) {
    this.#hooks = hooks;
    this.#lease = lease !== null && lease.seconds > 0 ? lease : null;
    this.#first = new Attachment(
      stream,
      MAGIC,
      this.#attachmentHooks(() => this.#first),
    );
    this.#attachment = this.#first;
    this.#use(this.#first);
  }

  /** What the agent's program reads before anything else. */
  begin(bundle: Uint8Array): void {
    this.#attachment.write(bundle);
  }

  /** After the agent's first frame, before the first of ours. */
  grantLease(): void {
    const lease = this.#lease;
    if (lease === null || this.#link !== null) return;
    this.#link = new Link(1);
    const pingMs = lease.pingMs ?? PING_MS;
    const silence = (pingMs * MOST_SILENT_PINGS) / 1000;
    this.#attachment.write(encodeLink({ lease: lease.seconds, name: this.#name, token: this.#token, silence }));
    this.#pinger = setInterval(() => {
      this.#ping();
    }, pingMs);
    this.#pinger.unref();
  }

  /** Sends a frame, now or once there is a wire again. False: better wait for `whenRoom` before the next. */
  send(frame: Buffer): boolean {
    if (this.#ended || this.#leaving) return true;
    this.#link?.sent(frame);
    this.#roomLeft = this.#attachment.write(frame);
    return this.#hasRoom;
  }

  /** Calls back once there is room, or at the end. */
  whenRoom(done: () => void): void {
    if (this.#hasRoom || this.#ended) done();
    else this.#waiting.push(done);
  }

  /** While paused nothing is read, and nothing is concluded from silence. */
  pause(paused: boolean): void {
    this.#paused = paused;
    this.#attachment.pause(paused);
  }

  /** Tells the agent to leave at once. False: it cannot be told, and its lease will end it. */
  leave(): boolean {
    if (this.#ended) return false;
    this.#leaving = true;
    this.#sayBye();
    this.#attachment.endInput();
    return this.#cut === null;
  }

  /** The one end: nothing is heard after it. */
  end(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#pinger !== null) clearInterval(this.#pinger);
    if (!this.#leaving) this.#sayBye();
    this.#cut?.tries.abort();
    this.#attachment.close();
    this.#tellRoom();
    this.#hooks.onEnd(why, this.#attachment.tail);
  }

  get #hasRoom(): boolean {
    return this.#link?.full !== true && (this.#roomLeft || this.#cut !== null);
  }

  #sayBye(): void {
    if (this.#link !== null) this.#attachment.write(encodeLink({ bye: true }));
  }

  #attachmentHooks(self: () => Attachment): AttachmentHooks {
    return {
      onFrames: (frames, bytes) => {
        this.#take(frames, bytes);
      },
      onLost: (loss) => {
        if (self() === this.#attachment) this.#lost(loss);
      },
    };
  }

  #use(attachment: Attachment): void {
    this.#attachment = attachment;
    this.#roomLeft = true;
    this.#heard = true;
    this.#silentPings = 0;
    if (this.#paused) attachment.pause(true);
    attachment.onDrain(() => {
      this.#roomLeft = true;
      this.#tellRoom();
    });
  }

  #take(frames: readonly Frame[], bytes: number): void {
    // A stream that was only silent speaks again: it is as good as ever.
    this.#endCut();
    this.#heard = true;
    this.#link?.came(bytes);
    for (const frame of frames) {
      if (this.#ended) return;
      if (frame.kind === 'link') {
        this.#control(frame.value);
      } else {
        if (frame.kind !== 'bad') this.#link?.took();
        this.#hooks.onFrame(frame);
      }
    }
    if (this.#link?.owesAck !== true || this.#ended || this.#leaving) return;
    this.#attachment.write(encodeLink({ ack: this.#link.received }));
    this.#link.told();
  }

  #control(value: unknown): void {
    const message = parseLink(value);
    if (message !== null && 'ack' in message && this.#link?.acked(message.ack) === true) this.#tellRoom();
    else this.end('it sent a message that this version does not know');
  }

  #tellRoom(): void {
    while (this.#waiting.length > 0 && (this.#hasRoom || this.#ended)) this.#waiting.shift()?.();
  }

  #ping(): void {
    if (this.#link === null || this.#leaving) return;
    this.#silentPings = this.#heard || this.#paused ? 0 : this.#silentPings + 1;
    this.#heard = false;
    // Also while it is silent: a program that was frozen finds them when it is thawed, and answers.
    this.#attachment.write(encodeLink({ ping: this.#link.received }));
    this.#link.told();
    if (this.#silentPings >= MOST_SILENT_PINGS) this.#mend('nothing is heard of it any more');
  }

  #lost({ why, code }: Loss): void {
    // An API server whose kubelet died says 0, too; an agent that left has said why, or is found to be gone.
    const ended = code !== null && code !== 0 && this.#attachment === this.#first;
    if (this.#link === null || this.#leaving || ended) return this.end(why);
    this.#attachment.close();
    this.#mend(why);
  }

  #mend(why: string): void {
    const lease = this.#lease;
    if (lease === null || this.#cut !== null) return;
    const cut = { why, until: Date.now() + lease.seconds * 1000, tries: new AbortController() };
    this.#cut = cut;
    lease.onCut?.(cut);
    this.#tellRoom();
    void this.#try(lease, cut.tries.signal);
  }

  /** Until a stream leads to the agent, it is known to be gone, the lease ran out, or the old stream speaks again. */
  async #try(lease: Lease, signal: AbortSignal): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      const outcome = await this.#tryOnce(lease, signal);
      const cut = this.#cut;
      if (signal.aborted || cut === null || outcome.type === 'resumed') return;
      if (outcome.type === 'gone') return this.end(`${cut.why}; ${outcome.why}`);
      // One that is frozen uses none of its lease.
      if (outcome.paused) this.#cut = { ...cut, until: Date.now() + lease.seconds * 1000 };
      else if (Date.now() >= cut.until) return this.end(`${cut.why}, and it could not be reached again in time`);
      await pause(delayMs(MEND, tries, Math.random()), signal);
      if (signal.aborted) return;
    }
  }

  async #tryOnce(lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const caller = {
      name: this.#name,
      token: this.#token,
      received: this.#link?.received ?? 0,
      onResumed: (attachment: Attachment, received: number): void => {
        this.#resumed(attachment, received);
      },
      hooks: (self: () => Attachment) => this.#attachmentHooks(self),
    };
    return callAgain(lease, caller, AbortSignal.any([signal, AbortSignal.timeout(TRY_MS)]));
  }

  #resumed(attachment: Attachment, received: number): void {
    this.#attachment.close();
    this.#use(attachment);
    this.#endCut();
    if (this.#link?.acked(received) !== true) {
      this.end('it has lost count of what it received');
      return;
    }
    for (const frame of this.#link.missing) this.#roomLeft = attachment.write(frame);
    this.#tellRoom();
  }

  #endCut(): void {
    const cut = this.#cut;
    if (cut === null) return;
    this.#cut = null;
    cut.tries.abort();
    this.#lease?.onCut?.(null);
  }
}
