// Owns numbers and times in words. Pure; the time zone and the language are the browser's.

/** @param {number} ms */
export function milliseconds(ms) {
  return ms < 10_000 ? `${Math.round(ms)} ms` : duration(ms);
}

/** "8 s", "3 min 20 s", "2 h 5 min" @param {number} ms */
export function duration(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  const [min, h] = [Math.floor(s / 60), Math.floor(s / 3600)];
  if (h === 0) return s % 60 === 0 ? `${min} min` : `${min} min ${s % 60} s`;
  return min % 60 === 0 ? `${h} h` : `${h} h ${min % 60} min`;
}

/** @param {number | null} bytes */
export function megabytes(bytes) {
  if (bytes === null) return '–';
  const mb = bytes / 1_048_576;
  return mb < 10 ? `${mb.toFixed(1)} MB` : mb < 10_000 ? `${Math.round(mb)} MB` : `${(mb / 1024).toFixed(1)} GB`;
}

/** @param {number | null} value */
export function percent(value) {
  return value === null ? '–' : `${value < 10 ? value.toFixed(1) : Math.round(value)} %`;
}

const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });

/** "17:05:12" @param {number} at */
export function clock(at) {
  return CLOCK.format(at);
}

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = 0, high = 0] = [sorted[(sorted.length - 1) >> 1], sorted[middle]];
  return (low + high) / 2;
}
