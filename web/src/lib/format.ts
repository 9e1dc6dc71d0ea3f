/** Numbers, units and names as people read them. */

const UNITS: Record<string, string> = {
  Cel: '°C',
  '[degF]': '°F',
  deg: '°',
  Ohm: 'Ω',
  'ug/m3': 'µg/m³',
  'mg/m3': 'mg/m³',
  m3: 'm³',
  m2: 'm²',
  'm/s2': 'm/s²',
  '{beats}/min': 'bpm',
  '[ppm]': 'ppm',
  '[ppb]': 'ppb',
  '1': '',
};

/** A UCUM code as it is usually written; other codes without their annotations. */
export function unit(code: string | null | undefined): string {
  if (!code) return '';
  return UNITS[code] ?? code.replace(/[{}[\]]/g, '');
}

/** `device_id` is a "device id" in a sentence, and a plain "device" where it names a thing. */
export function words(name: string): string {
  return name.replace(/_/g, ' ').trim();
}

export function thingWord(column: string): string {
  return words(column.replace(/_(id|name|key|code)$/, ''));
}

export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const SHORT: Record<string, string> = { minimum: 'Min', maximum: 'Max' };

export function heading(name: string): string {
  return SHORT[name] ?? sentence(words(name));
}

const formats = new Map<number, Intl.NumberFormat>();

/** A number with so many decimals and a true minus; `–` for none. */
export function number(value: number | null | undefined, decimals = 0): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  let format = formats.get(decimals);
  if (!format) {
    format = new Intl.NumberFormat('en-GB', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    formats.set(decimals, format);
  }
  const text = Math.abs(value) < 10_000 ? value.toFixed(decimals) : format.format(value);
  return /^-[0.,]*$/.test(text) ? text.slice(1) : text.replace('-', '−');
}

/** Decimals with which a value was written, at most `most`. */
export function decimalsOf(value: number, most: number): number {
  for (let digits = 0; digits < most; digits += 1) {
    if (Math.abs(value - Number(value.toFixed(digits))) < 1e-9 * Math.max(1, Math.abs(value))) return digits;
  }
  return most;
}

/**
 * How many decimals all values of one column share: as many as they were written with, but never more than
 * three or four digits are worth. Bounded by the largest, so that one small value does not widen all of them.
 */
export function sharedDecimals(values: Iterable<number>): number {
  let largest = 0;
  let written = 0;
  for (const value of values) {
    largest = Math.max(largest, Math.abs(value));
    if (written < 3) written = Math.max(written, decimalsOf(value, 3));
  }
  return Math.min(written, worthOf(largest));
}

/** How many decimals are worth writing where the largest number is so large. */
export function worthOf(largest: number): number {
  if (largest >= 10_000) return 0;
  if (largest >= 10) return 1;
  return largest >= 1 ? 2 : 3;
}

/** `1,204`, `52.1 k`, `3.4 M`: a count that fits its place. */
export function count(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  if (value < 100_000) return number(Math.round(value), 0).replace(/^(\d)(\d{3})$/, '$1,$2');
  if (value < 1e6) return `${number(value / 1000, 0)} k`;
  return `${number(value / 1e6, value < 1e7 ? 2 : Number(value < 1e8))} M`;
}

/** A rate per second with about three digits. */
export function rate(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  if (value > 0 && value < 0.05) return '<0.1';
  return value !== 0 && value < 10 ? number(value, 1) : count(value);
}

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  let size = value;
  for (const suffix of ['B', 'KiB', 'MiB', 'GiB']) {
    if (size < 1024) return `${number(size, suffix === 'B' || size >= 100 ? 0 : 1)} ${suffix}`;
    size /= 1024;
  }
  return `${number(size, 1)} TiB`;
}

/** `1 message was`, `41 messages were`. */
export function plural(amount: number, one: string, many: string): string {
  return `${count(amount)} ${amount === 1 ? one : many}`;
}

const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

/** Names as people order them: `office-2` before `office-12`. */
export function byName(left: string, right: string): number {
  return collator.compare(left, right) || (left < right ? -1 : Number(left > right));
}
