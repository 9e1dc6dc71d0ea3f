import { describe, expect, test } from 'vitest';
import { fitting, fromScreen, perMetre, project, readView, scaleBar, toScreen, unproject, viewText, zoomed } from '../src/lib/map/mercator';
import { carried, FAR, type Fix, type Mover, mover, step, take } from '../src/lib/map/motion';
import { between, indexAt } from '../src/lib/map/past';
import { Path } from '../src/lib/map/path';

const HORIZON = 30_000;
const SIZE = { width: 800, height: 600 };
const straight = new Path('a', 'red', [[0, 0], [0.1, 0]]);
const bent = new Path('b', 'red', [[-71, 42], [-71, 42.01], [-70.98, 42.01]]);

function fix(at: number, along: number, speed = 10, path: Path | null = straight): Fix {
  const spot = path ? path.spot(along, { x: 0, y: 0, bearing: NaN }) : project(0, 0);
  return { at, ...spot, bearing: NaN, path, along: path ? along : NaN, speed };
}

/** Frames of a mover: how far along it is shown, every `every` ms. */
function frames(moving: Mover, from: number, to: number, every = 50): number[] {
  const shown: number[] = [];
  for (let now = from; now <= to; now += every) {
    step(moving, now, HORIZON);
    shown.push(moving.along);
  }
  return shown;
}

const steps = (values: number[]) => values.slice(1).map((value, index) => value - (values[index] ?? 0));

describe('the plane', () => {
  test('places go there and back', () => {
    const back = unproject(project(-71.06, 42.36));
    expect(back.longitude).toBeCloseTo(-71.06, 9);
    expect(back.latitude).toBeCloseTo(42.36, 9);
    const view = { ...project(-71.06, 42.36), zoom: 12.3 };
    const at = fromScreen(view, SIZE, { x: 120, y: 480 });
    expect(toScreen(view, SIZE, at).x).toBeCloseTo(120, 6);
    const closer = zoomed(view, SIZE, 14, { x: 120, y: 480 });
    expect(toScreen(closer, SIZE, at).y).toBeCloseTo(480, 6);
  });

  test('a view survives the address, and nonsense is none', () => {
    const view = { ...project(2.1734, 41.3851), zoom: 13.25 };
    const read = readView(viewText(view));
    expect(read?.zoom).toBe(13.25);
    expect(read?.x).toBeCloseTo(view.x, 7);
    for (const text of ['', '1/2', 'a/b/c', '5/95/0', '5/0/500']) expect(readView(text)).toBeNull();
  });

  test('a box fits beside what floats over the map', () => {
    const box = { left: 0.3, right: 0.301, top: 0.37, bottom: 0.3705 };
    const view = fitting(box, SIZE, { left: 300, top: 20, right: 20, bottom: 120 });
    const corner = toScreen(view, SIZE, { x: box.left, y: box.top });
    const other = toScreen(view, SIZE, { x: box.right, y: box.bottom });
    expect(corner.x).toBeGreaterThanOrEqual(299.9);
    expect(corner.y).toBeGreaterThanOrEqual(19.9);
    expect(other.x).toBeLessThanOrEqual(780.1);
    expect(other.y).toBeLessThanOrEqual(480.1);
  });

  test('the scale is a round number', () => {
    const { metres, pixels } = scaleBar({ ...project(0, 60), zoom: 12 }, 120);
    expect([1, 2, 5]).toContain(metres / 10 ** Math.floor(Math.log10(metres)));
    expect(pixels).toBeGreaterThan(40);
    expect(pixels).toBeLessThanOrEqual(120);
  });
});

describe('a path', () => {
  test('knows where a distance is and which way it goes there', () => {
    expect(bent.length).toBeCloseTo(1112 + 1653, -1);
    const spot = bent.spot(500, { x: 0, y: 0, bearing: NaN });
    expect(spot.bearing).toBeCloseTo(0, 5);
    expect(unproject(spot).latitude).toBeCloseTo(42 + 500 / 111_195, 4);
    expect(bent.spot(2_000, spot).bearing).toBeCloseTo(90, 5);
    expect(unproject(bent.spot(1e9, spot)).longitude).toBeCloseTo(-70.98, 9);
    expect(unproject(bent.spot(-5, spot)).latitude).toBeCloseTo(42, 9);
  });

  test('takes distances as things measure them', () => {
    const own = new Path('c', 'red', [[0, 0], [0.1, 0]], 100);
    expect(unproject(own.spot(50, { x: 0, y: 0, bearing: NaN })).longitude).toBeCloseTo(0.05, 9);
  });

  test('of one place or none is no trouble', () => {
    expect(new Path('d', 'red', [[1, 1]]).length).toBe(0);
    expect(new Path('e', 'red', []).spot(5, { x: 7, y: 7, bearing: NaN }).x).toBe(0);
  });
});

describe('a thing between two fixes', () => {
  test('is carried on at its speed, brakes, and never passes the horizon', () => {
    expect(carried(10, 15_000, HORIZON)).toBe(150);
    const moving = mover(fix(0, 100), 0, HORIZON);
    const shown = frames(moving, 0, 120_000);
    expect(Math.max(...shown)).toBeLessThanOrEqual(100 + 10 * 30);
    expect(shown.at(-1)).toBeCloseTo(100 + 250, 3);
    expect(Math.min(...steps(shown))).toBeGreaterThanOrEqual(0);
  });

  test('a fix a little further on is reached without a jump', () => {
    const moving = mover(fix(0, 100), 0, HORIZON);
    frames(moving, 0, 10_000);
    take(moving, fix(10_000, 240), 10_000, HORIZON);
    const shown = frames(moving, 10_050, 16_000);
    expect(Math.max(...steps(shown))).toBeLessThan(4);
    expect(shown.at(-1)).toBeCloseTo(240 + 60, 0);
  });

  test('a fix behind what is shown makes it wait, not drive backwards', () => {
    const moving = mover(fix(0, 100), 0, HORIZON);
    frames(moving, 0, 10_000);
    take(moving, fix(10_000, 160), 10_000, HORIZON);
    const shown = frames(moving, 10_050, 20_000);
    expect(Math.min(...steps(shown))).toBeGreaterThanOrEqual(0);
    expect(shown.at(-1)).toBeCloseTo(160 + 100, 0);
  });

  test('one that has stopped behind what is shown glides back to where it stands', () => {
    const moving = mover(fix(0, 100), 0, HORIZON);
    frames(moving, 0, 10_000);
    take(moving, fix(10_000, 160, 0), 10_000, HORIZON);
    const shown = frames(moving, 10_050, 16_000);
    expect(shown.at(-1)).toBeCloseTo(160, 0);
    expect(Math.min(...steps(shown))).toBeGreaterThan(-4);
  });

  test('after a sleep the truth is shown at once', () => {
    const moving = mover(fix(0, 100), 0, HORIZON);
    frames(moving, 0, 1_000);
    take(moving, fix(180_000, 550), 180_000, HORIZON);
    step(moving, 180_000, HORIZON);
    expect(moving.along).toBe(550);
    expect(Math.max(...steps(frames(moving, 180_050, 183_000)))).toBeLessThan(0.6);
  });

  test('what lies too far away is no motion', () => {
    const moving = mover(fix(0, 100), 0, HORIZON);
    frames(moving, 0, 1_000);
    take(moving, fix(1_000, 100 + FAR * 2), 1_000, HORIZON);
    expect(moving.along).toBe(100 + FAR * 2);
  });

  test('speed comes from two fixes where none is told', () => {
    const moving = mover(fix(0, 100, NaN), 0, HORIZON);
    expect(frames(moving, 0, 5_000).at(-1)).toBe(100);
    take(moving, fix(10_000, 200, NaN), 10_000, HORIZON);
    expect(moving.speed).toBe(10);
    take(moving, fix(10_000, 200, NaN), 11_000, HORIZON);
    expect(moving.speed).toBe(10);
  });

  test('an older fix changes nothing, and a changed path melts over', () => {
    const moving = mover(fix(10_000, 300), 10_000, HORIZON);
    take(moving, fix(5_000, 0), 10_000, HORIZON);
    expect(moving.fix.along).toBe(300);
    const other = new Path('z', 'blue', [[0.0027, 0.001], [0.1, 0.001]]);
    take(moving, fix(10_000, 0, 0, other), 10_000, HORIZON);
    const before = moving.y;
    step(moving, 10_050, HORIZON);
    expect(Math.abs(moving.y - before) / perMetre(0.5)).toBeLessThan(15);
    frames(moving, 10_100, 16_000);
    expect(moving.y).toBeCloseTo(other.y[0] ?? 0, 8);
  });

  test('without a path it goes in its direction, and without either it stays', () => {
    const moving = mover({ ...fix(0, 0, 10, null), bearing: 90 }, 0, HORIZON);
    step(moving, 500, HORIZON);
    expect((moving.x - 0.5) / perMetre(0.5)).toBeCloseTo(5, 6);
    const still = mover(fix(0, 0, 10, null), 0, HORIZON);
    step(still, 500, HORIZON);
    expect(still.x).toBe(0.5);
  });
});

describe('the past', () => {
  const track = [0, 10_000, 20_000].map((at) => ({ fix: fix(at, at / 100) }));

  test('is found by its instant', () => {
    expect([-1, 0, 9_999, 10_000, 1e9].map((at) => indexAt(track, at))).toEqual([-1, 0, 0, 1, 2]);
  });

  test('a thing was exactly between two fixes', () => {
    const [first, second] = track;
    if (!first || !second) throw new Error('no track');
    const spot = between(first.fix, second.fix, 5_000, 90_000, { x: 0, y: 0, bearing: NaN });
    expect((spot.x - 0.5) / perMetre(0.5)).toBeCloseTo(50, 3);
    const silent = between(first.fix, { ...second.fix, at: 600_000 }, 300_000, 90_000, spot);
    expect(silent.x).toBe(0.5);
  });
});
