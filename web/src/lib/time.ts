/** Instants are milliseconds since 1970 in UTC. Nothing here asks the browser what time it is. */

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** An ISO 8601 time as an instant; NaN where the text is none. A time without a zone is UTC. */
export function instant(text: string | number | boolean | null | undefined): number {
  if (typeof text !== 'string') return typeof text === 'number' ? text : NaN;
  const zoned = /(?:[zZ]|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`;
  return Date.parse(zoned.replace(' ', 'T'));
}

/** An instant as the server writes it. */
export function iso(at: number): string {
  return new Date(at).toISOString();
}

/** The same, as short as it can be said: whole seconds carry no fraction. Meant for addresses. */
export function isoShort(at: number): string {
  return iso(at).replace('.000Z', 'Z');
}

/** How long, in the largest unit that says it well: `1 s`, `4 min`, `3 h`, `12 d`. */
export function duration(ms: number): string {
  const span = Math.max(0, ms);
  if (span < MINUTE) return `${Math.floor(span / SECOND)} s`;
  if (span < HOUR) return `${Math.floor(span / MINUTE)} min`;
  if (span < 2 * DAY) return `${Math.floor(span / HOUR)} h`;
  if (span < 1000 * DAY) return `${Math.floor(span / DAY)} d`;
  return `${Math.floor(span / (365.25 * DAY))} years`;
}

/** A declared span in words: `10 s`, `1 h`, `1 h 30 min`. */
export function spoken(seconds: number): string {
  const parts: string[] = [];
  let rest = seconds;
  for (const [unit, size] of [['d', 86400], ['h', 3600], ['min', 60]] as const) {
    if (rest >= size) parts.push(`${Math.floor(rest / size)} ${unit}`);
    rest %= size;
  }
  if (rest > 0 || parts.length === 0) parts.push(`${Math.round(rest * 1000) / 1000} s`);
  return parts.join(' ');
}

export type Freshness = 'fresh' | 'stale' | 'dead';

/** What an age means for a thing that is stale and dead after so many seconds. */
export function freshness(age: number, stale: number, dead: number): Freshness {
  if (age >= dead * SECOND) return 'dead';
  return age >= stale * SECOND ? 'stale' : 'fresh';
}
