/** What span of time a page shows: one that ends now and moves on, or a fixed one. */

import { DAY, HOUR, instant, isoShort, MINUTE } from './time';

export type Range = { live: true; name: string; span: number } | { live: false; from: number; to: number };

export const LIVE = [
  { name: '2m', label: '2 min', span: 2 * MINUTE },
  { name: '1h', label: '1 h', span: HOUR },
  { name: '24h', label: '24 h', span: DAY },
] as const;

const FIRST = { live: true, name: LIVE[0].name, span: LIVE[0].span } as const;

/** The range that an address asks for; two minutes where it asks for none that can be. */
export function readRange(query: URLSearchParams): Range {
  const [from, to] = [instant(query.get('from') ?? ''), instant(query.get('to') ?? '')];
  if (from < to) return { live: false, from, to };
  const found = LIVE.find(({ name }) => name === query.get('range'));
  return found ? { live: true, name: found.name, span: found.span } : FIRST;
}

/** How an address says it; the usual range is not said. */
export function writeRange(range: Range): Record<'range' | 'from' | 'to', string | null> {
  if (!range.live) return { range: null, from: isoShort(range.from), to: isoShort(range.to) };
  return { range: range.name === FIRST.name ? null : range.name, from: null, to: null };
}

/** Where it begins and ends when it is now so late. */
export function spanOf(range: Range, now: number): { from: number; to: number } {
  return range.live ? { from: now - range.span, to: now } : { from: range.from, to: range.to };
}
