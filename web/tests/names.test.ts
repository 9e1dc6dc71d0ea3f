import { expect, test } from 'vitest';
import { type Name, Names } from '../src/lib/map/names';

const name = (text: string, x: number, y: number, width = 100): Name => ({ text, x, y, width });

/** Which names a mark of this radius hides. */
function hidden(names: Names, x: number, y: number, radius = 7): string[] {
  const found = new Set<Name>();
  names.under(x, y, radius, found);
  return [...found].map(({ text }) => text);
}

test('a name is hidden by a mark on it, and not by one beside it', () => {
  const names = new Names();
  names.add(name('Central', 120, 100));
  expect(hidden(names, 150, 100)).toEqual(['Central']);
  expect(hidden(names, 115, 104)).toEqual(['Central']);
  expect(hidden(names, 226, 97)).toEqual(['Central']);
  expect(hidden(names, 112, 100)).toEqual([]);
  expect(hidden(names, 228, 100)).toEqual([]);
  expect(hidden(names, 150, 112)).toEqual([]);
  expect(hidden(names, 150, 88)).toEqual([]);
});

test('names are found wherever they stand, also beyond the edge and across cells', () => {
  const names = new Names();
  for (const [text, x, y] of [['a', -50, 10], ['b', 630, 638], ['c', 5_000, -3]] as const) names.add(name(text, x, y));
  for (const { text, x, y, width } of names.list) {
    for (const at of [x - 6, x, x + width / 2, x + width + 6]) for (const by of [-10, 0, 10]) expect(hidden(names, at, y + by)).toEqual([text]);
  }
});

test('of several names all that are hidden are told', () => {
  const names = new Names();
  names.add(name('one', 0, 100));
  names.add(name('two', 40, 112));
  expect(hidden(names, 60, 106)).toEqual(['one', 'two']);
  expect(hidden(names, 20, 100)).toEqual(['one']);
});
