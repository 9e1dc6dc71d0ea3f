/** A line as a picture of time and way: where on the line each thing was, and where its places lie. */

import { type Geometry, type Place, stood } from './geometry';
import { type Point } from './mercator';
import type { Path } from './path';
import type { Word } from './words';

export interface Run {
  id: string;
  label: string;
  /** Instants and distances, oldest first. */
  at: number[];
  along: number[];
  /** The newest word of it. */
  last: Word;
}

/** Beyond this silence a run is drawn as two. */
const GAP = 120_000;

/** Whether two ways are one: of one length, through the same points. */
export function alike(a: Path | undefined, b: Path): boolean {
  return a !== undefined && a.length === b.length && a.x.length === b.x.length && a.x.every((x, at) => x === b.x[at] && a.y[at] === b.y[at]);
}

/** Words from before these lines stood lose their way, unless the lines `before` had the same. */
export function onWays(words: Word[], still: Geometry, before: Geometry | null): Word[] {
  const same = new Map<Path, boolean>();
  for (const { fix } of words) {
    if (!fix.path || stood(still, fix.at)) continue;
    let kept = same.get(fix.path);
    if (kept === undefined) same.set(fix.path, (kept = alike(before?.paths.get(fix.path.id), fix.path)));
    if (!kept || !before || !stood(before, fix.at)) fix.path = null;
  }
  return words;
}

/** The runs on one path: of each thing, what was heard of it without a pause and without a way back. */
export function runs(words: Iterable<Word>, path: Path): Run[] {
  const open = new Map<string, Run>();
  const found: Run[] = [];
  for (const word of [...words].sort((a, b) => a.fix.at - b.fix.at)) {
    const { fix } = word;
    const known = open.get(word.id);
    if (fix.path !== path || !Number.isFinite(fix.along) || word.look === 'hidden') {
      open.delete(word.id);
      continue;
    }
    const before = known?.along.at(-1) ?? 0;
    if (known && fix.at - (known.at.at(-1) ?? 0) <= GAP && fix.along >= before - 100) {
      known.at.push(fix.at);
      known.along.push(Math.max(before, fix.along));
      known.last = word;
    } else {
      const run = { id: word.id, label: word.label, at: [fix.at], along: [fix.along], last: word };
      open.set(word.id, run);
      found.push(run);
    }
  }
  return found;
}

/** The places of a line with their distance along a path, in the order in which it comes by. */
export function halts(geometry: Geometry, path: Path): { place: Place; along: number }[] {
  const found = [...geometry.places.values()]
    .filter(({ lines }) => lines.includes(path.line))
    .map((place) => ({ place, ...nearest(path, place) }));
  const reach = 300;
  return found.filter(({ away }) => away <= reach).map(({ place, along }) => ({ place, along })).sort((a, b) => a.along - b.along);
}

function nearest(path: Path, point: Point): { along: number; away: number } {
  let best = { along: 0, away: Infinity };
  for (let index = 0; index + 1 < path.x.length; index += 1) {
    const [x0, y0] = [path.x[index] ?? 0, path.y[index] ?? 0];
    const [dx, dy] = [(path.x[index + 1] ?? 0) - x0, (path.y[index + 1] ?? 0) - y0];
    const share = Math.max(0, Math.min(1, ((point.x - x0) * dx + (point.y - y0) * dy) / (dx * dx + dy * dy || 1)));
    const world = Math.hypot(point.x - x0 - share * dx, point.y - y0 - share * dy);
    const [from, to] = [path.at[index] ?? 0, path.at[index + 1] ?? 0];
    // Distances on the plane as those of the path: they differ by one factor here.
    const metres = (world * (to - from)) / (Math.hypot(dx, dy) || 1);
    if (metres < best.away) best = { along: from + (to - from) * share, away: metres };
  }
  return best;
}

/** Minutes between one thing and the next at a place: the times at which each run comes by, and their distances. */
export function headways(all: Run[], along: number): { at: number; minutes: number }[] {
  const times = all.map((run) => passing(run, along)).filter(Number.isFinite).sort((a, b) => a - b);
  return times.slice(1).map((at, index) => ({ at, minutes: (at - (times[index] ?? at)) / 60_000 }));
}

/** When a run came by a distance; NaN where it did not, or nobody heard. */
export function passing(run: Run, along: number): number {
  for (let index = 1; index < run.along.length; index += 1) {
    const [from, to] = [run.along[index - 1] ?? 0, run.along[index] ?? 0];
    if (from <= along && along <= to) {
      const [start, end] = [run.at[index - 1] ?? 0, run.at[index] ?? 0];
      return to > from ? start + ((end - start) * (along - from)) / (to - from) : start;
    }
  }
  return NaN;
}
