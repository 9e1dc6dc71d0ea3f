import { describe, expect, test } from 'vitest';
import { passedOn } from '../src/lib/map/passed';
import type { PassedRow } from '../src/lib/types';

const row = (path: string | null, event: string, second: number, more: Partial<PassedRow> = {}): PassedRow => ({
  thing: 'a', path, event, at: `2026-03-01T12:00:${String(second).padStart(2, '0')}Z`, headway: null, dwell: null, spacing: null, ...more,
});

describe('what has called at a place', () => {
  test('is what went off on the path, the newest first', () => {
    const rows = [row('one', 'departure', 10), row('one', 'arrival', 5), row('two', 'departure', 20), row('one', 'departure', 40, { headway: 30, spacing: 'bunched' }), row(null, 'departure', 50)];
    const found = passedOn(rows, 'one');
    expect(found.map(({ at }) => new Date(at).getUTCSeconds())).toEqual([40, 10]);
    expect(found.map(({ headway }) => headway)).toEqual([30, NaN]);
    expect(found.map(({ spacing }) => spacing)).toEqual(['bunched', '']);
  });

  test('is what came where nothing goes off', () => {
    expect(passedOn([row('one', 'arrival', 5, { dwell: 3 })], 'one').map(({ dwell }) => dwell)).toEqual([3]);
    expect(passedOn([], 'one')).toEqual([]);
  });
});
