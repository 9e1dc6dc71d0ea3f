/**
 * How a thing moves between two words of it. What is shown is the last fix, carried on at its speed along its path
 * for a limited time (the horizon) and slowing down to a stop at its end: silence never moves anything further.
 *
 * A new fix does not make it jump: the difference melts away within about two seconds. A thing that was carried too
 * far waits for the truth to catch up instead of driving backwards. Differences too large to be melted honestly, and
 * frames that come after a sleep, show the truth at once.
 */

import { perMetre } from './mercator';
import { bearingOf, type Path, type Spot } from './path';

export interface Fix {
  /** Instant in ms. */
  at: number;
  x: number;
  y: number;
  /** Degrees clockwise from north, NaN if not told. */
  bearing: number;
  path: Path | null;
  /** Distance along the path, NaN if not told. */
  along: number;
  /** Metres per second, NaN if not told. */
  speed: number;
}

export interface Mover extends Spot {
  fix: Fix;
  /** Speed with which it is carried on. */
  speed: number;
  /** Where on the path it is shown; NaN while it follows none. */
  along: number;
  /** What is left of an old place that was elsewhere, in world units. */
  restX: number;
  restY: number;
  /** Instant of the last step. */
  stepped: number;
}

/** Beyond so many metres a difference is no motion, and beyond so many ms a pause is a sleep. */
export const FAR = 600;
export const SLEEP = 1_000;
const MELT = 700;
/** Faster than this nothing is believed to be, whatever two fixes say. */
const FASTEST = 120;
/** A difference that is ahead of the truth by less waits; by more it glides back. */
const AHEAD = 150;

export function mover(fix: Fix, now: number, horizon: number): Mover {
  const made: Mover = { fix, speed: speedOf(null, fix), x: fix.x, y: fix.y, bearing: fix.bearing, along: fix.along, restX: 0, restY: 0, stepped: now };
  settle(made, now, horizon);
  return made;
}

/** How far a thing is carried on after `since` ms: at its speed for two thirds of the horizon, then braking. */
export function carried(speed: number, since: number, horizon: number): number {
  const time = Math.max(0, Math.min(since, horizon)) / 1000;
  const brake = ((horizon / 1000) * 2) / 3;
  if (time <= brake) return speed * time;
  const rest = time - brake;
  return speed * (brake + rest - (rest * rest) / (horizon / 1000 - brake) / 2);
}

function speedOf(before: Fix | null, fix: Fix): number {
  if (Number.isFinite(fix.speed)) return Math.max(0, Math.min(FASTEST, fix.speed));
  if (!before || fix.at <= before.at || !fix.path || before.path !== fix.path) return 0;
  const speed = ((fix.along - before.along) / (fix.at - before.at)) * 1000;
  return Number.isFinite(speed) ? Math.max(0, Math.min(FASTEST, speed)) : 0;
}

const truth: Spot = { x: 0, y: 0, bearing: NaN };

/** Where the thing truly is as far as anybody can know: the fix carried on. */
function truthAt(moving: Mover, now: number, horizon: number): number {
  const { fix } = moving;
  const way = carried(moving.speed, now - fix.at, horizon);
  truth.bearing = fix.bearing;
  if (fix.path && Number.isFinite(fix.along)) {
    const along = Math.min(fix.path.length, fix.along + way);
    fix.path.spot(along, truth);
    return along;
  }
  const world = Number.isFinite(fix.bearing) ? way * perMetre(fix.y) : 0;
  const angle = (fix.bearing * Math.PI) / 180;
  truth.x = fix.x + (world ? world * Math.sin(angle) : 0);
  truth.y = fix.y - (world ? world * Math.cos(angle) : 0);
  return NaN;
}

/** Puts it where it truly is, without any motion. */
export function settle(moving: Mover, now: number, horizon: number): void {
  moving.along = truthAt(moving, now, horizon);
  moving.x = truth.x;
  moving.y = truth.y;
  moving.bearing = truth.bearing;
  moving.restX = moving.restY = 0;
  moving.stepped = now;
}

/** Takes a newer fix; older ones and repetitions change nothing. */
export function take(moving: Mover, fix: Fix, now: number, horizon: number): void {
  if (fix.at < moving.fix.at) return;
  const { x, y } = moving;
  const speed = speedOf(moving.fix, fix);
  const same = fix.path !== null && fix.path === moving.fix.path && Number.isFinite(fix.along) && Number.isFinite(moving.along);
  moving.speed = fix.at === moving.fix.at && !Number.isFinite(fix.speed) ? moving.speed : speed;
  moving.fix = fix;
  const along = truthAt(moving, now, horizon);
  if (same) {
    if (Math.abs(along - moving.along) > FAR) settle(moving, now, horizon);
    return;
  }
  moving.along = along;
  moving.restX = x - truth.x;
  moving.restY = y - truth.y;
  const metres = Math.hypot(moving.restX, moving.restY) / perMetre(truth.y);
  if (metres > FAR) moving.restX = moving.restY = 0;
}

/** Moves on to an instant. */
export function step(moving: Mover, now: number, horizon: number): void {
  const took = now - moving.stepped;
  if (took < 0 || took > SLEEP) return settle(moving, now, horizon);
  moving.stepped = now;
  const share = 1 - Math.exp(-took / MELT);
  const wanted = truthAt(moving, now, horizon);
  if (Number.isFinite(wanted) && moving.fix.path) {
    moving.along = nextAlong(moving, wanted, took, share, horizon);
    truth.bearing = moving.fix.bearing;
    moving.fix.path.spot(moving.along, truth);
  }
  moving.restX *= 1 - share;
  moving.restY *= 1 - share;
  const [x, y] = [truth.x + moving.restX, truth.y + moving.restY];
  moving.bearing = Number.isFinite(truth.bearing) ? truth.bearing : direction(moving, x, y);
  moving.x = x;
  moving.y = y;
}

function nextAlong(moving: Mover, wanted: number, took: number, share: number, horizon: number): number {
  const gap = wanted - moving.along;
  if (!(Math.abs(gap) <= FAR)) return wanted;
  const limit = moving.fix.along + carried(moving.speed, horizon, horizon);
  if (gap >= 0) return Math.min(limit, moving.along + Math.min(gap, (moving.speed * took) / 1000 + gap * share));
  const waits = moving.speed > 0.5 && -gap < AHEAD && moving.along <= limit;
  return waits ? moving.along : moving.along + gap * share;
}

/** Of a thing that tells no direction, the one in which it was seen to move. */
function direction(moving: Mover, x: number, y: number): number {
  const [dx, dy] = [x - moving.x, y - moving.y];
  return Math.hypot(dx, dy) / perMetre(y) > 0.5 ? bearingOf(dx, dy) : moving.bearing;
}
