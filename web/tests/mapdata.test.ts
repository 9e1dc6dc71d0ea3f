import { describe, expect, test } from 'vitest';
import { find } from '../src/lib/map/find';
import { type Features, type Geometry, inkOn, luminance, readable, readGeometry, stood } from '../src/lib/map/geometry';
import { alike, halts, headways, onWays, passing, runs } from '../src/lib/map/ladder';
import { factText, reader, valueText, type Word } from '../src/lib/map/words';
import { visible } from '../src/lib/map/world.svelte';
import type { MapInfo } from '../src/lib/types';

const map = {
  name: 'city', title: 'City', table: 't', thing: 'id', time: 'at', latitude: 'lat', longitude: 'lon', columns: [],
  lines: { geometry: 'lines', line: 'route', name: 'name', title: 'long', colour: 'color', ink: 'text', length: 'length' },
  places: { geometry: 'stops', name: 'name', lines: 'routes' },
  bearing: '', path: 'path', along: 'along', speed: 'speed', label: 'label', line: 'line', toward: 'toward', next: 'next',
  gone: '', unseen: '', value: 'delay', value_title: 'Delay', value_unit: 's', less_word: 'early', more_word: 'late',
  bands: [
    { name: 'early', tone: 'early', below: -60 }, { name: 'on time', tone: 'good', below: 180 },
    { name: 'late', tone: 'warn', below: 600 }, { name: 'very late', tone: 'bad', below: null },
  ],
  state: 'state', states: { off: { words: 'parked', look: 'hidden' } },
  facts: [], calls: null, window: '', output: '', horizon_seconds: 30, stale_seconds: 90, dead_seconds: 300,
  thing_word: 'vehicle', things_word: 'vehicles', place_word: 'stop', line_word: 'line',
} satisfies MapInfo;

const drawn: Features = {
  features: [
    { id: 'p', geometry: { type: 'LineString', coordinates: [[0, 0], [0.1, 0]] }, properties: { route: 'r', name: 'R', long: 'Red line', color: '#c8312b', text: 'javascript:', length: 10_000 } },
    { id: 'bad', geometry: null, properties: {} },
  ],
};
const dots: Features = {
  features: [0, 0.05, 0.1].map((lon, at) => ({ id: `s${at}`, geometry: { type: 'Point', coordinates: [lon, 0] }, properties: { name: ['São Bento', 'Middle', 'End'][at], routes: at === 1 ? ['r', 'x'] : ['r'] } })),
};
const geometry = readGeometry(map, drawn, dots);
const columns = ['id', 'at', 'lat', 'lon', 'path', 'along', 'speed', 'label', 'line', 'toward', 'next', 'delay', 'state'].map((name) => ({ name, type: '', unit: null }));
const read = reader(map, columns, geometry);

function word(id: string, at: number, along: number, delay: number | null = 0, state = ''): Word {
  const made = read([id, at, 0, (along / 10_000) * 0.1, 'p', along, 10, id, 'r', 'End', 'Middle', delay, state]);
  if (!made) throw new Error('no word');
  return made;
}

describe('what stands still', () => {
  test('is read from layers; wrong colours and shapes are left out', () => {
    expect(geometry.lines.get('r')).toMatchObject({ name: 'R', colour: '#c8312b', title: 'Red line', ink: '#ffffff' });
    expect([...geometry.paths.keys()]).toEqual(['p']);
    expect(geometry.paths.get('p')?.length).toBe(10_000);
  });

  test('ends and places of several lines are seen from further away', () => {
    expect([...geometry.places.values()].map(({ rank }) => rank)).toEqual([1, 1, 1]);
  });

  test('words on a colour can be read', () => {
    expect(inkOn('#ffee00')).toBe('#000000');
    expect(readable('#df8a2e', '#ffffff')).toBe('#000000');
    expect(readable('#2457a8', '#ffffff')).toBe('#ffffff');
    expect(luminance('#ffffff')).toBeCloseTo(1);
  });
});

describe('words', () => {
  test('a value is said with its direction, a small one with the name of its band', () => {
    const said = [-200, -45, 0, 59, 60, 150, 601, null].map((value) => valueText(map, value));
    expect(said).toEqual(['3 min early', 'on time', 'on time', 'on time', '1 min late', '3 min late', '10 min late', 'not known']);
  });

  test('a row without a place or a time is no word', () => {
    const row = ['a', 5, 0, 0, 'p', 1, 1, '', 'r', '', '', 0, ''];
    expect(read(row)?.label).toBe('a');
    expect(read(row.with(2, null as never))).toBeNull();
    expect(read(row.with(3, 500))).toBeNull();
    expect(read(row.with(1, 'never'))).toBeNull();
  });

  test('facts are read as people say them', () => {
    const fact = { column: 'x', title: 'X', unit: 'm/s', words: { MANY: 'many seats free' } };
    expect(factText(fact, 12)).toBe('43 km/h');
    expect(factText(fact, null)).toBe('not known');
    expect(factText({ ...fact, unit: '' }, 'MANY')).toBe('many seats free');
    expect(factText({ ...fact, unit: '' }, 'FEW_SEATS')).toBe('few seats');
  });

  test('the dead, the hidden and other lines are not shown', () => {
    const shown = [word('a', 0, 0), word('b', 200_000, 0), word('c', 200_000, 0, 0, 'off')].map((one) => ({ word: one, spot: { x: 0, y: 0, bearing: 0 } }));
    expect(visible(shown, map, new Set(), 310_000).map((one) => one.word.id)).toEqual(['b']);
    expect(visible(shown, map, new Set(['x']), 310_000)).toEqual([]);
  });
});

describe('search', () => {
  test('finds without marks and case, whole names first', () => {
    expect(find('sao', map, geometry, [])[0]).toMatchObject({ kind: 'place', name: 'São Bento' });
    expect(find('red', map, geometry, [])[0]).toMatchObject({ kind: 'line', id: 'r' });
    const found = find('17', map, geometry, [word('170', 0, 0), word('17', 0, 0)]);
    expect(found.map(({ id }) => id)).toEqual(['17', '170']);
    expect(find('  ', map, geometry, [])).toEqual([]);
  });
});

describe('a line over time', () => {
  const path = geometry.paths.get('p');
  if (!path) throw new Error('no path');

  test('knows where its places lie', () => {
    expect(halts(geometry, path).map(({ place, along }) => [place.id, Math.round(along)])).toEqual([['s0', 0], ['s1', 5000], ['s2', 10_000]]);
  });

  test('a way back or a silence begins another run', () => {
    const words = [word('a', 0, 100), word('a', 60_000, 700), word('a', 120_000, 0), word('a', 180_000, 600), word('a', 900_000, 2_000)];
    expect(runs(words, path).map(({ along }) => along)).toEqual([[100, 700], [0, 600], [2_000]]);
  });

  test('tells when each came by, and how far apart', () => {
    const words = [0, 300_000].flatMap((start, at) => [word(`v${at}`, start, 4_000), word(`v${at}`, start + 100_000, 6_000)]);
    const all = runs(words, path);
    expect(all.map((run) => passing(run, 5_000))).toEqual([50_000, 350_000]);
    expect(headways(all, 5_000)).toEqual([{ at: 350_000, minutes: 5 }]);
    expect(passing(all[0] ?? { id: '', label: '', at: [], along: [], last: word('x', 0, 0) }, 9_000)).toBeNaN();
  });
});

describe('when it stood', () => {
  const dated = (part: Features, since: string | null, until: string | null, notes: string[] = []): Features => ({ ...part, version: `v${since}`, since, until, notes });
  const [eight, nine, ten] = ['2026-11-26T08:00:00Z', '2026-11-26T09:00:00Z', '2026-11-26T10:00:00Z'];

  test('is what all its parts say, and always where none does', () => {
    expect(geometry).toMatchObject({ version: '', since: -Infinity, until: Infinity, notes: [] });
    const both = readGeometry(map, dated(drawn, eight, ten, ['Old.']), dated(dots, nine, null, ['Old.']));
    expect(both).toMatchObject({ version: `v${eight} v${nine}`, since: Date.parse(nine), until: Date.parse(ten), notes: ['Old.'] });
    expect(readGeometry(map, dated(drawn, null, ten), null)).toMatchObject({ since: -Infinity, until: Date.parse(ten) });
  });

  test('decides on which way something ran', () => {
    const since = Date.parse(nine);
    const now = { ...geometry, since };
    const bent = readGeometry(map, { features: [{ id: 'p', properties: { route: 'r', length: 10_000 }, geometry: { type: 'LineString', coordinates: [[0, 0], [0.05, 0.01], [0.1, 0]] } }] }, null);
    const ways = (before: Geometry | null) => onWays([word('v', since - 2, 100), word('v', since, 200)], now, before).map(({ fix }) => fix.path?.id);
    expect(ways({ ...geometry, until: since })).toEqual(['p', 'p']);
    expect(ways({ ...bent, until: since })).toEqual([undefined, 'p']);
    expect(ways({ ...geometry, since: since - 1, until: since })).toEqual([undefined, 'p']);
    expect(ways(null)).toEqual([undefined, 'p']);
    for (const path of geometry.paths.values()) expect([path, bent.paths.get('p'), undefined].map((one) => alike(one, path))).toEqual([true, false, false]);
  });

  test('is from its first instant until before its last', () => {
    const both = readGeometry(map, dated(drawn, eight, ten), dated(dots, nine, ten));
    expect([eight, nine, ten].map((at) => stood(both, Date.parse(at)))).toEqual([false, true, false]);
    expect(stood(geometry, NaN)).toBe(false);
  });
});
