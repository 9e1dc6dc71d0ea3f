import { afterEach, expect, test, vi } from 'vitest';
import { readGeometry } from '../src/lib/map/geometry';
import { project } from '../src/lib/map/mercator';
import { Past } from '../src/lib/map/replay.svelte';
import type { MapInfo } from '../src/lib/types';

const NOON = Date.parse('2026-11-26T12:00:00Z');
const SECOND = 1_000;
const names = ['id', 'at', 'lat', 'lon', 'path', 'along'];
const map = {
  name: 'city', thing: 'id', time: 'at', latitude: 'lat', longitude: 'lon', path: 'path', along: 'along', columns: names, facts: [], states: {}, bands: [],
  bearing: '', speed: '', label: '', line: '', toward: '', next: '', value: '', state: '', gone: '', unseen: '', calls: null, dead_seconds: 300, stale_seconds: 90,
  lines: { geometry: 'ways', line: 'route', name: 'name', title: '', colour: 'color', ink: '', length: 'length' }, places: null,
} as unknown as MapInfo;

/** A way along the equator, which another one has replaced at noon. */
const drawn = { features: [{ id: 'p', geometry: { type: 'LineString', coordinates: [[0, 0], [0.1, 0]] }, properties: { route: 'r', length: 10_000 } }] };
const told = (at: number, along: number) => ['v', new Date(at).toISOString(), 0.001, along / 100_000, 'p', along];

afterEach(() => {
  vi.unstubAllGlobals();
});

test('what was said while another line stood is drawn where it was said to be', async () => {
  const rows = [told(NOON - 60 * SECOND, 1_000), told(NOON - 30 * SECOND, 2_000), told(NOON + 30 * SECOND, 3_000)];
  const columns = names.map((name) => ({ name, type: '', unit: null }));
  vi.stubGlobal('fetch', (url: string) => Promise.resolve(Response.json({ columns, rows: url.includes('from=2026-11-26T11%3A55') ? rows.slice(0, 2) : url.includes('from=2026-11-26T12%3A00') ? rows.slice(2) : [] })));
  const where = async (at: number, span: { since?: string; until?: string }) => {
    const past = new Past(map, readGeometry(map, { ...drawn, version: 'v', ...span }, null), 1);
    await past.need(at, NOON + 3_600 * SECOND);
    const [found] = past.at(at);
    past.close();
    return found?.spot;
  };
  const noon = '2026-11-26T12:00:00Z';
  const [along, beside] = [project(0, 0).y, project(0, 0.001).y];
  expect((await where(NOON - 45 * SECOND, { until: noon }))?.y).toBeCloseTo(along, 12);
  expect((await where(NOON + 30 * SECOND, { since: noon }))?.y).toBeCloseTo(along, 12);
  // Between a word of before and one of after it is on neither line.
  expect((await where(NOON, { since: noon }))?.y).toBeCloseTo(beside, 12);
});
