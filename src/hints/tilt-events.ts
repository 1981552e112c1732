// Owns the meaning of a watch on Tilt's resources (UIResource of tilt.dev/v1alpha1): an update that has ended is a reason to
// look. Pure, but for what each connection remembers.
import { fields, isFields, list, text, time } from '../lib/fields.ts';
import type { News } from './news.ts';

const NOTHING: News = { type: 'nothing' };
const MOST_RESOURCES = 2_000;

export function tiltReader(): (value: unknown) => News | null {
  /** When the last update of each resource ended. */
  const finished = new Map<string, number>();
  return (value) => {
    if (!isFields(value) || typeof value['type'] !== 'string' || !isFields(value['object'])) return null;
    const { metadata, status } = value['object'];
    const name = text(fields(metadata)['name']);
    if (name === '') return value['type'] === 'BOOKMARK' || value['type'] === 'ERROR' ? NOTHING : null;
    // The newest comes first.
    const build = fields(list(fields(status)['buildHistory'])[0]);
    const at = time(build['finishTime']);
    if (at === 0 || finished.get(name) === at || finished.size >= MOST_RESOURCES) return NOTHING;
    finished.set(name, at);
    const how = text(build['error']) === '' ? 'ended' : 'failed';
    return { type: 'look', at, text: `the update of ${name} ${how}` };
  };
}
