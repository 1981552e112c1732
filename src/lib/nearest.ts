// Owns "did you mean …": the nearest of some known words. Pure; must not import anything.

/** Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`. */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (before[j - 2] ?? 0) + 1);
      current.push(best);
    }
    before = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/** Compared without case, `-` and `_`, since `path_mappings` is a spelling of `pathMappings`. */
function plain(word: string): string {
  return word.toLowerCase().replace(/[-_\s]/g, '');
}

/**
 * The known word that `word` was most likely meant to be, or null when none is near: at most a third of its letters
 * may differ (2 for short words), or one of them begins with the other.
 */
export function nearest(word: string, known: readonly string[]): string | null {
  const wanted = plain(word);
  if (wanted === '' || wanted.length > 100) return null;
  let best: { word: string; distance: number } | null = null;
  for (const candidate of known) {
    const other = plain(candidate);
    let distance = editDistance(wanted, other);
    const short = Math.min(wanted.length, other.length);
    if (short >= 3 && (wanted.startsWith(other) || other.startsWith(wanted))) distance = Math.min(distance, 1);
    const allowed = Math.min(Math.max(2, Math.floor(wanted.length / 3)), Math.max(1, short - 1));
    if (distance <= allowed && (best === null || distance < best.distance)) best = { word: candidate, distance };
  }
  return best?.word ?? null;
}
