// Owns as much of the zip format as it takes to leave files out of a wheel without unpacking it. Pure. Facts from APPNOTE
// 6.3: sections 4.3.7 (local header), 4.3.12 (central directory) and 4.3.16 (its end). No zip64: a wheel is no such thing.

const END = 0x06054b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const END_BYTES = 22;
const CENTRAL_BYTES = 46;
const LOCAL_BYTES = 30;
/** Bit 11: the name is UTF-8. All others describe how the sizes were written; here they are always in the header. */
const UTF8 = 0x0800;

export interface ZipEntry {
  readonly name: string;
  /** 0 stored, 8 deflated. */
  readonly method: number;
  readonly crc32: number;
  /** Uncompressed, bytes. */
  readonly size: number;
  /** As it lies in the file. */
  readonly compressed: Buffer;
}

/** The files of an archive; folders are left out. @throws Error for what is no zip file, or a damaged one. */
export function readZip(archive: Buffer): ZipEntry[] {
  const end = findEnd(archive);
  const count = archive.readUInt16LE(end + 10);
  const entries: ZipEntry[] = [];
  let at = archive.readUInt32LE(end + 16);
  for (let index = 0; index < count; index += 1) {
    if (at + CENTRAL_BYTES > archive.length || archive.readUInt32LE(at) !== CENTRAL)
      throw new Error('damaged zip file');
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((offset) => archive.readUInt16LE(at + offset));
    const name = archive.toString('utf8', at + CENTRAL_BYTES, at + CENTRAL_BYTES + (nameBytes ?? 0));
    const local = archive.readUInt32LE(at + 42);
    if (local + LOCAL_BYTES > archive.length || archive.readUInt32LE(local) !== LOCAL)
      throw new Error('damaged zip file');
    const data = local + LOCAL_BYTES + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
    const bytes = archive.readUInt32LE(at + 20);
    if (data + bytes > archive.length) throw new Error('damaged zip file');
    if (!name.endsWith('/')) {
      entries.push({
        name,
        method: archive.readUInt16LE(at + 10),
        crc32: archive.readUInt32LE(at + 16),
        size: archive.readUInt32LE(at + 24),
        compressed: archive.subarray(data, data + bytes),
      });
    }
    at += CENTRAL_BYTES + (nameBytes ?? 0) + (extraBytes ?? 0) + (commentBytes ?? 0);
  }
  return entries;
}

/** An archive of those files, without times or modes: equal input gives equal bytes. `comment` is ASCII. */
export function writeZip(entries: readonly ZipEntry[], comment = ''): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, method, crc32, size, compressed } of entries) {
    const path = Buffer.from(name, 'utf8');
    // Version needed 2.0, flags, method, time and date of 1980-01-01, CRC, sizes, name length, no extra field.
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(UTF8, 2);
    common.writeUInt16LE(method, 4);
    common.writeUInt16LE(0x21, 8);
    common.writeUInt32LE(crc32, 10);
    common.writeUInt32LE(compressed.length, 14);
    common.writeUInt32LE(size, 18);
    common.writeUInt16LE(path.length, 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    parts.push(uint32(LOCAL), common, path, compressed);
    directory.push(uint32(CENTRAL), Buffer.from([20, 0]), common, tail, path);
    offset += LOCAL_BYTES + path.length + compressed.length;
  }
  const listing = Buffer.concat(directory);
  const end = Buffer.alloc(END_BYTES);
  end.writeUInt32LE(END, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(listing.length, 12);
  end.writeUInt32LE(offset, 16);
  end.writeUInt16LE(comment.length, 20);
  return Buffer.concat([...parts, listing, end, Buffer.from(comment, 'ascii')]);
}

/** The end record is the last thing in the file but for a comment of up to 64 KiB. */
function findEnd(archive: Buffer): number {
  const first = Math.max(0, archive.length - END_BYTES - 0xffff);
  for (let at = archive.length - END_BYTES; at >= first; at -= 1) {
    if (archive.readUInt32LE(at) === END) return at;
  }
  throw new Error('no zip file');
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
