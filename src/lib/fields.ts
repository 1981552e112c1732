// Owns reading JSON that others wrote: `unknown` in, a value of the wanted kind out, whatever came. Pure.

export type Fields = Readonly<Record<string, unknown>>;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function fields(value: unknown): Fields {
  return isFields(value) ? value : {};
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function number(value: unknown, otherwise: number): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function texts(value: unknown): readonly string[] {
  return list(value).filter((item) => typeof item === 'string');
}

export function dictionary(value: unknown): Readonly<Record<string, string>> {
  const result: Record<string, string> = {};
  for (const [key, item] of Object.entries(fields(value))) if (typeof item === 'string') result[key] = item;
  return result;
}

/** Milliseconds since the epoch; 0 for what is no time. */
export function time(value: unknown): number {
  const at = Date.parse(text(value));
  return Number.isNaN(at) ? 0 : at;
}

/** A port as manifests write it: a number, or the name of one. Null: neither. */
export function portName(value: unknown): string | number | null {
  if (typeof value === 'number' && Number.isInteger(value)) return value;
  if (typeof value !== 'string' || value === '') return null;
  return /^\d+$/.test(value) ? Number(value) : value;
}
