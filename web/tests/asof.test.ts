import { expect, test } from 'vitest';
import { asOf, asOfText, stepped } from '../src/lib/map/asof';
import { kindOf, quietStyle } from '../src/lib/map/ground';
import { overall, readHours } from '../src/lib/map/hourly';
import type { Palette } from '../src/lib/map/palette';
import { instant } from '../src/lib/time';

const now = instant('2026-11-26T18:00:00Z');

test('only an instant of the past is one', () => {
  expect(asOf('2026-11-26T17:00:00Z', now)).toBe(now - 3_600_000);
  expect(asOf('', now)).toBeNull();
  expect(asOf('yesterday', now)).toBeNull();
  expect(asOf('2026-11-26T18:00:00Z', now)).toBeNull();
  expect(asOf('2027-01-01T00:00:00Z', now)).toBeNull();
});

test('a moment that plays on is asked for in steps, one that stands still as it is', () => {
  const at = now - 12_345_678;
  expect(stepped(null, false, 10)).toBeNull();
  expect(stepped(at, false, 60)).toBe(Math.floor(at / 1000) * 1000);
  expect(stepped(at, true, 1)).toBe(Math.floor(at / 5000) * 5000);
  expect(stepped(at, true, 60)).toBe(Math.floor(at / 60_000) * 60_000);
});

test('the day is said where it is another one', () => {
  expect(asOfText(now - 1000, 'UTC', now)).toBe('as of 17:59:59');
  expect(asOfText(now - 86_400_000, 'UTC', now)).toBe('as of 2026-11-25 18:00:00');
});

test('hours are weighed by how much was compared', () => {
  const row = (compared: number, share: number | null) => ({ from: '2026-11-26T17:00:00Z', compared, on_time_share: share, early_share: 0, late_share: null });
  expect(overall(readHours([row(30, 1), row(10, 0.2), row(0, null)]))).toBeCloseTo(0.8);
  expect(overall(readHours([row(0, null)]))).toBeNaN();
  expect(overall([])).toBeNaN();
});

test('what the usual schemes of tiles have is known by its name', () => {
  const known = { water: 'water', waterway: 'water', ocean: 'water', transportation: 'way', roads: 'way', streets: 'way', building: 'building', buildings: 'building', landcover: 'green', park: 'green', boundary: 'border', boundaries: 'border' };
  for (const [layer, kind] of Object.entries(known)) expect(kindOf(layer), layer).toBe(kind);
  for (const layer of ['water_name', 'transportation_name', 'poi', 'places', 'street_labels', 'housenumber', 'earth']) expect(kindOf(layer), layer).toBeNull();
});

test('water lies on green and ways on both, each layer once', () => {
  const palette = new Proxy({}, { get: (_, name) => String(name) }) as Palette;
  const style = quietStyle({ address: 'http://a/x', vector: true, layers: ['roads', 'water', 'pois', 'landcover'] }, palette);
  expect(style.layers.map(({ id }) => id)).toEqual(['land', 'landcover areas', 'water areas', 'water lines', 'roads lines']);
  expect(style.sources).toEqual({ tiles: { type: 'vector', url: 'pmtiles://http://a/x' } });
  expect(quietStyle({ address: 'http://a/x', vector: false, layers: [] }, palette).layers.map(({ type }) => type)).toEqual(['background', 'raster']);
});
