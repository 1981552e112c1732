/** Joins WebP pictures of one size into an animated one: the same compressed data, in a container of frames. Pure. */

export interface Frame {
  readonly webp: Uint8Array;
  /** How long it is shown. */
  readonly ms: number;
}

/** Shown in a loop. @throws Error when a picture is no WebP */
export function animate(frames: readonly Frame[], size: { readonly width: number; readonly height: number }): Buffer {
  const [width, height] = [uint24(size.width - 1), uint24(size.height - 1)];
  const canvas = Buffer.concat([Buffer.from([0x12, 0, 0, 0]), width, height]); // animated, perhaps with alpha
  const endless = Buffer.alloc(6);
  const corner = Buffer.alloc(6);
  const pictures = frames.map(({ webp, ms }) =>
    // 2: drawn over the one before without blending.
    chunk('ANMF', Buffer.concat([corner, width, height, uint24(ms), Buffer.from([0x02]), pixels(Buffer.from(webp))])),
  );
  const body = Buffer.concat([Buffer.from('WEBP'), chunk('VP8X', canvas), chunk('ANIM', endless), ...pictures]);
  return chunk('RIFF', body);
}

/** The chunks of pixels, with their heads: what else a picture holds is said once for all. */
function pixels(webp: Buffer): Buffer {
  const found: Buffer[] = [];
  for (let at = 12; at + 8 <= webp.length;) {
    const length = webp.readUInt32LE(at + 4);
    const end = at + 8 + length + (length % 2);
    if (['ALPH', 'VP8 ', 'VP8L'].includes(webp.toString('latin1', at, at + 4))) found.push(webp.subarray(at, end));
    at = end;
  }
  if (found.length === 0) throw new Error('a picture without pixels');
  return Buffer.concat(found);
}

function chunk(type: string, data: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.write(type, 'latin1');
  head.writeUInt32LE(data.length, 4);
  return Buffer.concat([head, data, Buffer.alloc(data.length % 2)]);
}

function uint24(value: number): Buffer {
  const out = Buffer.alloc(3);
  out.writeUIntLE(value, 0, 3);
  return out;
}
