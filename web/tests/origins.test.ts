import { expect, test } from 'vitest';
import { refusal, refused } from '../src/lib/map/origins';

const OWN = 'http://127.0.0.1:8000/map?map=1/2/3';

test('what a style refers to is found wherever it stands', () => {
  const style = {
    sources: {
      a: { url: 'pmtiles://https://a.example/city.pmtiles' },
      b: { tiles: ['https://b.example/{z}/{x}/{y}.png', 'https://b2.example:8443/{z}/{x}/{y}.png'] },
      c: { data: 'https://c.example/lines.geojson' },
      d: { data: { type: 'FeatureCollection', features: [] } },
      e: { url: 'pmtiles:///v1/background/tiles' },
      f: { urls: ['https://f.example/video.mp4'] },
    },
    glyphs: 'https://g.example/{fontstack}/{range}.pbf',
    sprite: [{ id: 'default', url: 'https://s.example/sprite' }],
  };
  const found = ['a', 'b', 'b2', 'c', 'f', 'g', 's'].map((name) => `https://${name}.example${name === 'b2' ? ':8443' : ''}`);
  expect(refused(style, [], OWN)).toEqual(found.sort());
  expect(refused(style, ['https://a.example', 'https://b.example', 'https://c.example', 'https://f.example'], OWN)).toEqual([
    'https://b2.example:8443', 'https://g.example', 'https://s.example',
  ]);
});

test('what is our own, or no web address, needs nobody', () => {
  expect(refused({ sources: { a: { url: '/x.json' }, b: { data: 'data:application/json,{}' } }, sprite: 'blob:x', glyphs: 'http://[' }, [], OWN)).toEqual([]);
  expect(refused({}, [], OWN)).toEqual([]);
});

test('a default port is the same origin', () => {
  expect(refused({ glyphs: 'https://a.example:443/{range}' }, ['https://a.example'], OWN)).toEqual([]);
});

test('it is said in full', () => {
  expect(refusal([])).toBe('');
  expect(refusal(['https://a.example'])).toBe("The background is not whole: its style takes parts from https://a.example, and this page is not allowed to speak to it. Add it to map_origins in Wayside's configuration and start it again.");
  expect(refusal(['https://a.example', 'https://b.example'])).toContain('https://a.example and https://b.example, and this page is not allowed to speak to them. Add them');
});
