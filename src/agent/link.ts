// Owns the account of one conversation across many wires: which frames were sent and may have to be sent again, and how
// many were received. Pure: neither bytes in nor out. payload/_debugwand_link.py is its twin.

/** Unacknowledged bytes from which on nothing more should be sent: whoever sends waits. */
export const MAX_KEPT_BYTES = 4 * 1024 * 1024;
/** What is received is acknowledged after so many frames or bytes, and with every `ping`. */
const ACK_FRAMES = 64;
const ACK_BYTES = 256 * 1024;

export class Link {
  #kept: Buffer[] = [];
  #keptBytes = 0;
  /** How many of ours the other side has. */
  #acked = 0;
  #received: number;
  #frames = 0;
  #bytes = 0;

  /** `received`: frames that were taken before the account began. */
  constructor(received = 0) {
    this.#received = received;
  }

  /** How many frames were taken. */
  get received(): number {
    return this.#received;
  }

  /** Whether more is kept than is good. */
  get full(): boolean {
    return this.#keptBytes > MAX_KEPT_BYTES;
  }

  /** One more frame of ours, in order. */
  sent(frame: Buffer): void {
    this.#kept.push(frame);
    this.#keptBytes += frame.length;
  }

  /** The other side has so many of ours. False: that cannot be. */
  acked(count: number): boolean {
    const news = count - this.#acked;
    if (!Number.isSafeInteger(count) || news < 0 || news > this.#kept.length) return false;
    for (const frame of this.#kept.splice(0, news)) this.#keptBytes -= frame.length;
    this.#acked = count;
    return true;
  }

  /** What the other side has not, in order. */
  get missing(): readonly Buffer[] {
    return this.#kept;
  }

  /** One of theirs was taken. */
  took(): void {
    this.#received += 1;
    this.#frames += 1;
  }

  /** Bytes of theirs came. */
  came(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Whether it is time to tell them how many were received. */
  get owesAck(): boolean {
    return this.#frames >= ACK_FRAMES || (this.#frames > 0 && this.#bytes >= ACK_BYTES);
  }

  /** They were told. */
  told(): void {
    this.#frames = 0;
    this.#bytes = 0;
  }
}
