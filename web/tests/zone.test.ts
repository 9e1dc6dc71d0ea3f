import { describe, expect, test } from 'vitest';
import { calendarDay, clockTime, dayTime, fromInput, otherClock, timeSteps, toInput } from '../src/lib/zone';

const at = (text: string) => Date.parse(text);

describe('clocks of places', () => {
  test('an instant is read on the clock of the place, wherever the browser is', () => {
    expect(clockTime(at('2026-11-23T10:40:57Z'), 'Europe/Madrid')).toBe('11:40:57');
    expect(clockTime(at('2026-11-23T10:40:57Z'), 'Asia/Kolkata')).toBe('16:10:57');
    expect(clockTime(at('2026-07-01T23:30:00Z'), 'Europe/Madrid', false)).toBe('01:30');
  });

  test('a day is named only when it is not today', () => {
    const now = at('2026-11-23T23:30:00Z');
    expect(dayTime(at('2026-11-23T23:10:00Z'), 'Europe/Madrid', now)).toBe('00:10:00');
    expect(dayTime(at('2026-11-23T22:10:00Z'), 'Europe/Madrid', now)).toBe('2026-11-23 23:10:00');
    expect(calendarDay(at('2017-02-28T16:00:00Z'), 'Asia/Shanghai')).toBe('2017-03-01');
  });

  test('an unknown zone is UTC, and no instant is a dash', () => {
    expect(clockTime(at('2026-11-23T10:40:57Z'), 'Nowhere/Else')).toBe('10:40:57');
    expect(clockTime(NaN, 'UTC')).toBe('–');
    expect(toInput(NaN, 'UTC')).toBe('');
  });

  test.each(['UTC', 'Europe/Madrid', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe'])('what an input shows leads back to its instant in %s', (zone) => {
    for (const text of ['2026-01-15T12:00:00Z', '2026-07-15T23:59:59Z', '2026-03-29T00:30:00Z', '2026-10-25T03:30:00Z', '2026-11-01T12:00:00Z']) {
      expect(fromInput(toInput(at(text), zone), zone)).toBe(at(text));
    }
  });

  test('a time that the clock shows twice is the first; one that it skips is read as before the gap', () => {
    expect(fromInput('2026-10-25T02:30:00', 'Europe/Madrid')).toBe(at('2026-10-25T00:30:00Z'));
    expect(fromInput('2026-03-29T02:30', 'Europe/Madrid')).toBe(at('2026-03-29T01:30:00Z'));
    expect(fromInput('', 'Europe/Madrid')).toBeNaN();
  });

  test('an axis has whole steps of the clock of the place', () => {
    const { step, at: steps } = timeSteps(at('2026-11-23T10:00:00Z'), at('2026-11-24T10:00:00Z'), 'Asia/Kolkata', 8);
    expect(step).toBe(3 * 3600_000);
    expect(steps.map((one) => clockTime(one, 'Asia/Kolkata', false)).slice(0, 3)).toEqual(['18:00', '21:00', '00:00']);
    const short = timeSteps(at('2026-11-23T10:39:03Z'), at('2026-11-23T10:41:03Z'), 'UTC', 6);
    expect(short.step).toBe(20_000);
    expect(short.at).toHaveLength(6);
  });
});

describe('otherClock', () => {
  const noon = Date.parse('2026-07-01T12:00:00Z');
  const winter = Date.parse('2026-01-05T12:00:00Z');

  test('names the clock of a place where the reader has another time', () => {
    expect(otherClock(noon, 'Atlantic/Azores', 'Asia/Kathmandu')).toMatch(/^GMT(\+0)?$/);
    expect(otherClock(winter, 'Atlantic/Azores', 'Asia/Kathmandu')).toBe('GMT-1');
  });

  test('says nothing where both show the same, whatever their names are', () => {
    expect(otherClock(winter, 'Europe/Dublin', 'UTC')).toBe('');
    expect(otherClock(noon, 'Europe/Dublin', 'UTC')).toBe('GMT+1');
    expect(otherClock(Number.NaN, 'Europe/Dublin', 'UTC')).toBe('');
  });
});
