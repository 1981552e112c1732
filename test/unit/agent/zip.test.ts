import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readZip, writeZip, type ZipEntry } from '../../../src/agent/zip.ts';

function entry(name: string, contents: Buffer, stored = false): ZipEntry {
  const compressed = stored ? contents : deflateRawSync(contents);
  return { name, method: stored ? 0 : 8, crc32: crc32(contents), size: contents.length, compressed };
}

function contentsOf({ method, compressed }: ZipEntry): Buffer {
  return method === 0 ? compressed : inflateRawSync(compressed);
}

describe('zip files', () => {
  test('what was written is read again, whatever the names, contents and comment are', () => {
    const files = fc.array(fc.tuple(fc.string({ minLength: 1 }), fc.uint8Array(), fc.boolean()), { maxLength: 8 });
    fc.assert(
      fc.property(files, fc.stringMatching(/^[a-z0-9-]{0,40}$/), (list, comment) => {
        const entries = list
          .filter(([name]) => !name.endsWith('/') && name.isWellFormed())
          .map(([name, bytes, stored]) => entry(name, Buffer.from(bytes), stored));
        const read = readZip(writeZip(entries, comment));
        expect(read).toEqual(entries);
        expect(read.map(contentsOf)).toEqual(entries.map(contentsOf));
      }),
    );
  });

  test('folders are left out', () => {
    const folder = entry('package/', Buffer.alloc(0), true);
    expect(readZip(writeZip([folder, entry('package/a.py', Buffer.from('1'))])).map(({ name }) => name)).toEqual([
      'package/a.py',
    ]);
  });

  test('damage is named, never read past the end', () => {
    const whole = writeZip([entry('a.py', Buffer.from('print(1)')), entry('b.py', Buffer.from('print(2)'))], 'tag');
    for (let length = 0; length < whole.length - 3; length += 1) {
      expect(() => readZip(whole.subarray(0, length))).toThrow(/zip file/);
    }
  });

  test.each([
    ['the central directory', 0x02014b50],
    ['a local header', 0x04034b50],
  ])('a broken mark of %s is damage', (_what, mark) => {
    const archive = writeZip([entry('a.py', Buffer.from('print(1)'))]);
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(mark);
    archive.writeUInt32LE(0, archive.indexOf(bytes));
    expect(() => readZip(archive)).toThrow('damaged zip file');
  });
});
