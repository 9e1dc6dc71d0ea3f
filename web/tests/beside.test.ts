import { expect, test } from 'vitest';
import { boxAt, covered, order, SIDES } from '../src/lib/map/beside';
import { luminance, seenOn } from '../src/lib/map/geometry';
import { project } from '../src/lib/map/mercator';
import { Path } from '../src/lib/map/path';

const DOT = project(0, 0);
const SCALE = 256 * 2 ** 12;
/** Degrees that are so many pixels near the equator. */
const degrees = (pixels: number) => (pixels / SCALE) * 360;
const way = (...points: [number, number][]) => new Path('w', 'l', points.map(([x, y]) => [degrees(x), -degrees(y)] as const));

test('a stretch is covered as far as it lies in the box', () => {
  const box = { left: 0, top: 0, right: 10, bottom: 10 };
  expect(covered(box, -5, 5, 15, 5)).toBeCloseTo(10);
  expect(covered(box, 2, 2, 5, 6)).toBeCloseTo(5);
  expect(covered(box, -5, 12, 15, 12)).toBe(0);
  expect(covered(box, 20, 5, 30, 5)).toBe(0);
  expect(covered(box, 5, 5, 5, 5)).toBe(0);
});

test('without a line in the way a name stands at the right', () => {
  expect(order([], DOT, 60, SCALE)).toEqual([0, 1, 2, 3]);
  expect(order([way([0, 0], [0, 200])], DOT, 60, SCALE)[0]).toBe(0);
});

test('a line that leaves to the right sends the name to the left, one through the dot above it', () => {
  expect(order([way([0, 0], [300, 0])], DOT, 60, SCALE)[0]).toBe(1);
  expect(order([way([-300, 0], [0, 0], [300, 0])], DOT, 60, SCALE)[0]).toBe(2);
  expect(order([way([-300, 0], [300, 0]), way([-300, -14], [300, -14])], DOT, 60, SCALE)[0]).toBe(3);
});

test('every side has its box beside the dot', () => {
  for (const side of SIDES.keys()) {
    const { left, top, right, bottom } = boxAt(side, 40);
    expect(right - left).toBe(40);
    expect(left > 5 || right < -5 || top > 5 || bottom < -5).toBe(true);
  }
});

test('a dark line is lightened on dark ground until it is seen, and its own on light ground', () => {
  const ground = '#1a1d1f';
  for (const colour of ['#7e22ce', '#1d4ed8', '#000000', '#0f766e']) {
    const seen = seenOn(ground, colour);
    expect((luminance(seen) + 0.05) / (luminance(ground) + 0.05)).toBeGreaterThanOrEqual(3);
    expect(seenOn('#f2efe8', colour)).toBe(colour);
  }
  expect(seenOn('rgb(26, 29, 31)', '#1d4ed8')).toBe(seenOn(ground, '#1d4ed8'));
  expect(seenOn('rgb(241, 239, 232)', '#1d4ed8')).toBe('#1d4ed8');
  expect(seenOn(ground, '#ffd200')).toBe('#ffd200');
  expect(seenOn(ground, 'red')).toBe('red');
});
