import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Standing } from '../src/lib/map/standing.svelte';
import { readGeometry } from '../src/lib/map/geometry';
import type { MapInfo } from '../src/lib/types';

const HOUR = 3_600_000;
const NOON = Date.parse('2026-11-26T12:00:00Z');
const map = { lines: { geometry: 'ways', line: 'route', name: 'name', title: '', colour: 'color', ink: '', length: '' }, places: null } as unknown as MapInfo;
const hour = (at: number) => new Date(NOON + (at - 12) * HOUR).toISOString();

/** One version until nine, one until noon, and that of now. */
function answer(url: string): Response {
  const at = new URL(url, 'http://here').searchParams.get('at');
  const [since, until] = !at || at >= hour(12) ? [hour(12), null] : at >= hour(9) ? [hour(9), hour(12)] : [null, hour(9)];
  return Response.json({ type: 'FeatureCollection', features: [], version: String(since), since, until, notes: [] });
}

let asked: string[] = [];
let broken = false;

beforeEach(() => {
  [asked, broken] = [[], false];
  vi.useFakeTimers();
  vi.stubGlobal('fetch', (url: string) => {
    asked.push(url);
    return broken ? Promise.reject(new TypeError('no net')) : Promise.resolve(answer(url));
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const now = readGeometry(map, { features: [], version: 'now', since: hour(12), until: null }, null);

async function at(standing: Standing, moment: number | null): Promise<unknown> {
  standing.need(moment === null ? null : NOON + (moment - 12) * HOUR, now);
  await vi.advanceTimersByTimeAsync(10);
  return [standing.settled, standing.shown?.version];
}

test('only what did not stand then is asked for, and once', async () => {
  const standing = new Standing(map);
  expect(await at(standing, null)).toEqual([true, 'now']);
  expect(await at(standing, 12)).toEqual([true, 'now']);
  expect(asked).toEqual([]);
  expect(await at(standing, 11.5)).toEqual([true, hour(9)]);
  expect(await at(standing, 9)).toEqual([true, hour(9)]);
  expect(await at(standing, 3)).toEqual([true, 'null']);
  expect(await at(standing, 10)).toEqual([true, hour(9)]);
  expect(await at(standing, null)).toEqual([true, 'now']);
  expect(asked).toEqual([`/v1/layers/ways?at=${encodeURIComponent(hour(11.5))}`, `/v1/layers/ways?at=${encodeURIComponent(hour(3))}`]);
});

test('what comes too late is not shown, and the last wish is followed', async () => {
  const standing = new Standing(map);
  for (const moment of [11, 10, 4]) standing.need(NOON + (moment - 12) * HOUR, now);
  expect(standing.settled).toBe(false);
  await vi.advanceTimersByTimeAsync(10);
  expect([standing.settled, standing.shown?.version, asked.length]).toEqual([true, 'null', 2]);
  const other = new Standing(map);
  other.need(NOON - HOUR, now);
  expect(await at(other, null)).toEqual([true, 'now']);
});

test('what cannot be had is told, and asked for again', async () => {
  const standing = new Standing(map);
  broken = true;
  expect(await at(standing, 10)).toEqual([false, undefined]);
  expect(standing.problem?.message).toBe('Wayside does not answer.');
  broken = false;
  await vi.advanceTimersByTimeAsync(3_100);
  expect([standing.settled, standing.shown?.version, standing.problem]).toEqual([true, hour(9), null]);
  broken = true;
  await at(standing, 3);
  standing.close();
  asked = [];
  await vi.advanceTimersByTimeAsync(10_000);
  expect(asked).toEqual([]);
});
