/** The moment that boards, cards and charts are of: now, or one of the past, which the address names. */

import { instant, MINUTE, SECOND } from '../time';
import { dayTime } from '../zone';

/** Null for now, and for what is no instant of the past. */
export function asOf(text: string, now: number): number | null {
  const at = instant(text);
  return Number.isFinite(at) && at < now - SECOND ? at : null;
}

/** The moment that is asked for while the past plays on: in steps, so that each is worth a question. */
export function stepped(at: number | null, playing: boolean, rate: number): number | null {
  if (at === null) return null;
  const step = playing ? Math.max(5 * SECOND, Math.min(MINUTE, rate * 2 * SECOND)) : SECOND;
  return Math.floor(at / step) * step;
}

/** `as of 14:05:00`, with its day where that is not today. */
export function asOfText(at: number, zone: string, now: number): string {
  return `as of ${dayTime(at, zone, now)}`;
}
