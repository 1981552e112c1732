// Owns what `prepack` puts into the npm package: debugpy for every supported Python. Not used by an installed wand.
import { fileURLToPath } from 'node:url';
import { writeVendor } from './debugpy.ts';

/** Fills a folder with the trimmed wheels. @throws DebugwandError `debugpy-unavailable` */
export async function packVendor(folder: string): Promise<void> {
  await writeVendor(folder, AbortSignal.timeout(300_000));
}

/** The same for the package's own vendor/. */
export async function vendorAll(): Promise<void> {
  await packVendor(fileURLToPath(new URL('../../vendor/', import.meta.url)));
}
