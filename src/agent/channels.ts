// Owns all channels of one agent: their numbers, what flows on them, and that a slow reader holds up the wire.
// Must not know messages.
import { Channel } from './channel.ts';
import { encodeData } from './framing.ts';

/** No data frame has more. */
export const CHUNK_BYTES = 256 * 1024;

export interface ChannelsWays {
  /** False: better wait for `whenRoom` before the next. */
  readonly send: (frame: Buffer) => boolean;
  readonly whenRoom: (done: () => void) => void;
  /** One of ours is done with; not one that the agent closed. */
  readonly hangup: (channel: number) => void;
  readonly pause: (paused: boolean) => void;
}

export class Channels {
  readonly #ways: ChannelsWays;
  readonly #open = new Map<number, Channel>();
  #last = 0;
  #paused = false;

  constructor(ways: ChannelsWays) {
    this.#ways = ways;
  }

  /** One that no channel ever had. */
  number(): number {
    this.#last += 1;
    return this.#last;
  }

  open(): { channel: number; duplex: Channel } {
    const channel = this.number();
    const duplex = new Channel({
      send: (bytes, done) => {
        this.send(channel, bytes, done);
      },
      hangup: () => {
        this.#open.delete(channel);
        this.#ways.hangup(channel);
        this.#resumeIfRoom();
      },
      onRoom: () => {
        this.#resumeIfRoom();
      },
    });
    this.#open.set(channel, duplex);
    return { channel, duplex };
  }

  /** `done` is called once there is room for more. */
  send(channel: number, bytes: Uint8Array, done: () => void): void {
    let room = true;
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      room = this.#ways.send(encodeData(channel, bytes.subarray(at, at + CHUNK_BYTES)));
    }
    if (room) done();
    else this.#ways.whenRoom(done);
  }

  /** From the agent. */
  receive(channel: number, bytes: Buffer): void {
    const duplex = this.#open.get(channel);
    duplex?.receive(bytes);
    if (duplex?.full !== true || this.#paused) return;
    this.#paused = true;
    this.#ways.pause(true);
  }

  /** The agent says so. */
  closed(channel: number): void {
    const duplex = this.#open.get(channel);
    this.#open.delete(channel);
    duplex?.wireClosed();
    this.#resumeIfRoom();
  }

  /** The agent is gone. */
  end(): void {
    for (const duplex of this.#open.values()) duplex.wireClosed();
    this.#open.clear();
  }

  #resumeIfRoom(): void {
    if (!this.#paused || [...this.#open.values()].some((channel) => channel.full)) return;
    this.#paused = false;
    this.#ways.pause(false);
  }
}
