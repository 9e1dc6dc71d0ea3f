import { describe, expect, test } from 'vitest';
import { byName, bytes, count, heading, number, plural, rate, sharedDecimals, thingWord, unit } from '../src/lib/format';
import { duration, freshness, instant, isoShort, spoken } from '../src/lib/time';

describe('numbers', () => {
  test('have so many decimals, a true minus, and a dash for none', () => {
    expect(number(24.6, 1)).toBe('24.6');
    expect(number(-18.4, 1)).toBe('−18.4');
    expect(number(-0.04, 1)).toBe('0.0');
    expect(number(null)).toBe('–');
    expect(number(12345.678, 1)).toBe('12,345.7');
  });

  test('share decimals: as they were written, but not more than digits are worth', () => {
    expect(sharedDecimals([74, 68])).toBe(0);
    expect(sharedDecimals([24.63, 24.6])).toBe(1);
    expect(sharedDecimals([1013.25])).toBe(1);
    expect(sharedDecimals([1.25, 3.5])).toBe(2);
    expect(sharedDecimals([0.1 + 0.2])).toBe(1);
    expect(sharedDecimals([52_344.5])).toBe(0);
    expect(sharedDecimals([])).toBe(0);
  });

  test('count and rate stay short', () => {
    expect([count(0), count(999), count(1204), count(99_999), count(1_234_567), count(34_000_000)]).toEqual(['0', '999', '1,204', '99,999', '1.23 M', '34.0 M']);
    expect([rate(0), rate(0.02), rate(0.25), rate(17.2), rate(null)]).toEqual(['0', '<0.1', '0.3', '17', '–']);
    expect([bytes(512), bytes(2048), bytes(5.5 * 1024 ** 3)]).toEqual(['512 B', '2.0 KiB', '5.5 GiB']);
    expect([plural(1, 'message was', 'messages were'), plural(41, 'message was', 'messages were')]).toEqual(['1 message was', '41 messages were']);
  });
});

describe('words', () => {
  test('units are written as people write them', () => {
    expect([unit('Cel'), unit('%'), unit('{beats}/min'), unit('[in_i]'), unit(null)]).toEqual(['°C', '%', 'bpm', 'in_i', '']);
  });

  test('columns become headings', () => {
    expect([thingWord('machine_id'), heading('average'), heading('maximum')]).toEqual(['machine', 'Average', 'Max']);
    expect(['pump-12', 'pump-2', 'Pump-1'].sort(byName)).toEqual(['Pump-1', 'pump-2', 'pump-12']);
  });
});

describe('time', () => {
  test('ages are said in their largest good unit', () => {
    expect([0, 999, 59_999, 60_000, 3_599_999, 3_600_000, 172_800_000].map(duration)).toEqual(['0 s', '0 s', '59 s', '1 min', '59 min', '1 h', '2 d']);
    expect(duration(9 * 365.25 * 86_400_000)).toBe('9 years');
    expect([spoken(10), spoken(5400), spoken(0.5), spoken(86_400)]).toEqual(['10 s', '1 h 30 min', '0.5 s', '1 d']);
  });

  test('an age is fresh, stale or dead by the bounds of its layer', () => {
    expect([89_999, 90_000, 299_999, 300_000].map((age) => freshness(age, 90, 300))).toEqual(['fresh', 'stale', 'stale', 'dead']);
  });

  test('a time without a zone is UTC, and what is no time is NaN', () => {
    expect(instant('2026-11-23T10:40:57')).toBe(instant('2026-11-23T11:40:57+01:00'));
    expect(instant('soon')).toBeNaN();
    expect(isoShort(instant('2026-11-23T10:40:57Z'))).toBe('2026-11-23T10:40:57Z');
  });
});
