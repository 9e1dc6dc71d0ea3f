/** Clocks of a place: instants as its people read them, and their readings back as instants. */

interface Parts {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string): Intl.DateTimeFormat {
  let known = formats.get(zone);
  if (!known) {
    const fields = { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' } as const;
    try {
      known = new Intl.DateTimeFormat('en-GB', { ...fields, timeZone: zone, hourCycle: 'h23' });
    } catch {
      known = new Intl.DateTimeFormat('en-GB', { ...fields, timeZone: 'UTC', hourCycle: 'h23' });
    }
    formats.set(zone, known);
  }
  return known;
}

function parts(at: number, zone: string): Parts {
  const found: Record<string, number> = {};
  for (const { type, value } of format(zone).formatToParts(at)) found[type] = Number(value);
  return found as unknown as Parts;
}

const two = (number: number) => String(number).padStart(2, '0');

/** `10:40:57`, or `10:40` without seconds. */
export function clockTime(at: number, zone: string, seconds = true): string {
  if (!Number.isFinite(at)) return '–';
  const { hour, minute, second } = parts(at, zone);
  return `${two(hour)}:${two(minute)}${seconds ? `:${two(second)}` : ''}`;
}

/** What the place's clock is called (`GMT-1`) where the reader's own shows another time; else nothing. */
export function otherClock(at: number, zone: string, own = Intl.DateTimeFormat().resolvedOptions().timeZone): string {
  if (!Number.isFinite(at) || ahead(at, zone) === ahead(at, own)) return '';
  const known = format(zone).resolvedOptions().timeZone;
  const named = new Intl.DateTimeFormat('en-GB', { timeZone: known, timeZoneName: 'shortOffset' });
  return named.formatToParts(at).find(({ type }) => type === 'timeZoneName')?.value ?? '';
}

/** `2026-11-23`. */
export function calendarDay(at: number, zone: string): string {
  if (!Number.isFinite(at)) return '–';
  const { year, month, day } = parts(at, zone);
  return `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`;
}

/** `10:40:57.123`. */
export function fineTime(at: number, zone: string): string {
  return `${clockTime(at, zone)}.${String(Math.floor(at % 1000)).padStart(3, '0')}`;
}

/** Day and time; the day is left out where it is the day of `today`. */
export function dayTime(at: number, zone: string, today: number, fine = false): string {
  const day = calendarDay(at, zone);
  const time = fine && Number.isFinite(at) ? fineTime(at, zone) : clockTime(at, zone);
  return day === calendarDay(today, zone) ? time : `${day} ${time}`;
}

/** The value of a `datetime-local` input that shows this instant on the place's clock. */
export function toInput(at: number, zone: string): string {
  return Number.isFinite(at) ? `${calendarDay(at, zone)}T${clockTime(at, zone)}` : '';
}

/** Minutes by which the place's clock is ahead of UTC at an instant. */
function ahead(at: number, zone: string): number {
  const { year, month, day, hour, minute, second } = parts(at, zone);
  return (Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1000) * 1000) / 60000;
}

/**
 * The instant at which the place's clock shows the value of a `datetime-local` input; NaN where it is empty.
 * A time that the clock shows twice is the first of them; one that it skips is read with the offset before the gap.
 */
export function fromInput(value: string, zone: string): number {
  const wall = Date.parse(value.length === 16 ? `${value}:00Z` : `${value}Z`);
  if (!Number.isFinite(wall)) return NaN;
  const before = ahead(wall - 86400000, zone);
  const after = ahead(wall + 86400000, zone);
  const candidates = [before, after].map((offset) => wall - offset * 60000);
  const exact = candidates.filter((at) => at + ahead(at, zone) * 60000 === wall);
  return exact.length > 0 ? Math.min(...exact) : wall - before * 60000;
}

/** Where the axis of a chart puts its words: whole steps of the place's clock, at most `most` of them. */
export function timeSteps(from: number, to: number, zone: string, most: number): { step: number; at: number[] } {
  const steps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
  const wanted = (to - from) / 1000 / Math.max(1, most);
  const step = (steps.find((size) => size >= wanted) ?? Math.ceil(wanted / 86400) * 86400) * 1000;
  const shift = ahead(from, zone) * 60000;
  const at: number[] = [];
  for (let next = Math.ceil((from + shift) / step) * step - shift; next <= to; next += step) at.push(next);
  return { step, at };
}
