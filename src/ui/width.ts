// Owns how many columns a text takes on a terminal, and cutting and wrapping by it. Pure. Texts are without escapes:
// colour comes last.

const SEGMENTER = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
/** East Asian wide and full width (Unicode's EastAsianWidth.txt, W and F, by blocks). */
const WIDE =
  /^[\u1100-\u115F\u2E80-\u303E\u3041-\uA4CF\uA960-\uA97F\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{1B000}-\u{1B2FF}\u{20000}-\u{3FFFD}]/u;
const INVISIBLE = /^[\p{Mark}\p{Control}\p{Format}]+$/u;

/** Columns of a text of one line. */
export function widthOf(text: string): number {
  if (/^[\u0020-\u007E]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of SEGMENTER.segment(text)) width += graphemeWidth(segment);
  return width;
}

function graphemeWidth(grapheme: string): number {
  if (INVISIBLE.test(grapheme)) return 0;
  return WIDE.test(grapheme) || /^\p{Emoji_Presentation}|\uFE0F/u.test(grapheme) ? 2 : 1;
}

/** At most `width` columns; a text that was cut ends with the mark. */
export function cut(text: string, width: number, mark: string): string {
  if (widthOf(text) <= width) return text;
  const room = width - widthOf(mark);
  if (room <= 0) return '';
  let result = '';
  let used = 0;
  for (const { segment } of SEGMENTER.segment(text)) {
    used += graphemeWidth(segment);
    if (used > room) break;
    result += segment;
  }
  return result + mark;
}

/** Fills up with spaces; a longer text stays as it is. */
export function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

/** Lines of at most `width` columns, broken at spaces where there are some; those after the first begin with `indent`. */
export function wrap(text: string, width: number, indent: string): string[] {
  const further = widthOf(indent) * 2 > width ? '' : indent;
  const lines: string[] = [];
  let line = /^ */.exec(text)?.[0] ?? '';
  let isBlank = true;
  for (const word of text.trimStart().split(/ +/)) {
    const joined = isBlank ? line + word : `${line} ${word}`;
    if (widthOf(joined) <= width) {
      line = joined;
      isBlank = false;
      continue;
    }
    if (!isBlank) {
      lines.push(line);
      line = further;
    }
    let rest = word;
    while (widthOf(line + rest) > width) {
      const piece = head(rest, width - widthOf(line));
      lines.push(line + piece);
      rest = rest.slice(piece.length);
      line = further;
    }
    line += rest;
    isBlank = rest === '';
  }
  return isBlank && lines.length > 0 ? lines : [...lines, line];
}

/** As much as fits, but one character at least: who wraps must come to an end. */
function head(text: string, width: number): string {
  let result = '';
  let used = 0;
  for (const { segment } of SEGMENTER.segment(text)) {
    used += graphemeWidth(segment);
    if (used > width && result !== '') break;
    result += segment;
  }
  return result;
}
