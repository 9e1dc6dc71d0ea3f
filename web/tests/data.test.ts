import { describe, expect, test } from 'vitest';
import { barAt, barsOf, coarser, gapOf, withGaps } from '../src/lib/bars';
import { barOutputs, mergeWindows, windowRows } from '../src/lib/frame';
import { layers, layout, stateOf } from '../src/lib/graph';
import { readRange, spanOf, writeRange } from '../src/lib/range';
import { lines, niceScale, steadyScale } from '../src/lib/scale';
import { EventParser } from '../src/lib/sse';
import type { Frame, PlanNode, WindowInfo } from '../src/lib/types';

const window: WindowInfo = {
  name: 'rollup',
  kind: 'tumbling',
  size_seconds: 10,
  every_seconds: 10,
  by: ['machine_id'],
  outputs: [
    { name: 'count', kind: 'count', unit: null },
    { name: 'average', kind: 'mean', unit: 'Cel' },
    { name: 'minimum', kind: 'minimum', unit: 'Cel' },
  ],
};

function frame(...rows: [string, string, number, number, boolean][]): Frame {
  const columns = ['window_start', 'window_end', 'machine_id', 'count', 'average', 'minimum', 'open'];
  return {
    columns: columns.map((name) => ({ name, type: '', unit: null })),
    rows: rows.map(([second, machine, count, average, open]) => [`2026-01-01T00:00:${second}Z`, `2026-01-01T00:00:${Number(second) + 10}Z`, machine, count, average, null, open]),
  };
}

describe('windows', () => {
  test('are read by the names of their columns, for the wanted keys only', () => {
    const rows = windowRows(frame(['10', 'a', 3, 1.5, false], ['10', 'b', 1, 9, false]), window, { machine_id: 'a' });
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ open: false, values: [3, 1.5, null] });
  });

  test('newer rows replace older ones of the same span', () => {
    const older = windowRows(frame(['10', 'a', 3, 1, false], ['20', 'a', 1, 2, true]), window, {});
    const merged = mergeWindows(older, windowRows(frame(['20', 'a', 5, 4, false], ['30', 'a', 1, 7, true]), window, {}));
    expect(merged.map((row) => [row.values[0], row.open])).toEqual([[3, false], [5, false], [1, true]]);
  });

  test('become bars, and bars that are too narrow become one', () => {
    const outputs = barOutputs(window, 'value');
    expect(outputs).toEqual({ count: 0, mean: 1, minimum: 2, maximum: -1 });
    const bars = barsOf(windowRows(frame(['10', 'a', 3, 1, false], ['20', 'a', 1, 3, true]), window, {}), outputs);
    expect(barAt(bars, (bars[0]?.start ?? 0) + 5_000)).toBe(bars[0]);
    const [one] = coarser(bars, 60_000);
    expect(one).toMatchObject({ mean: 2, low: null, open: true });
  });

  test('a line breaks where readings are missing', () => {
    const at = [0, 1000, 2000, 3000, 60_000, 61_000];
    expect(gapOf(at, 0)).toBe(5000);
    const [times, values] = withGaps(at, [1, 2, 3, 4, 5, 6], gapOf(at, 0));
    expect(times).toHaveLength(7);
    expect(values[4]).toBeNull();
  });
});

describe('scales', () => {
  test('are nice, hold the data, and keep still', () => {
    const first = niceScale(20.8, 27.1);
    expect(first.low).toBeLessThan(20.8);
    expect(first.high).toBeGreaterThan(27.1);
    expect(lines(first).length).toBeGreaterThan(3);
    expect(steadyScale(first, 21, 26.9)).toBe(first);
    expect(steadyScale(first, 21, 40)).not.toBe(first);
    expect(steadyScale(first, 24.5, 24.6)).not.toBe(first);
    expect(steadyScale(null, Infinity, -Infinity)).toEqual({ low: 0, high: 1, step: 0.25 });
    expect(niceScale(5, 5).high).toBeGreaterThan(5);
  });
});

describe('the address', () => {
  test('says a range and reads it back', () => {
    for (const text of ['', 'range=1h', 'range=24h', 'from=2026-01-01T00%3A00%3A00Z&to=2026-01-01T01%3A00%3A00Z']) {
      const range = readRange(new URLSearchParams(text));
      const written = Object.entries(writeRange(range)).filter(([, value]) => value !== null) as [string, string][];
      expect(new URLSearchParams(written).toString()).toBe(text);
    }
    expect(readRange(new URLSearchParams('from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z')).live).toBe(true);
    expect(spanOf(readRange(new URLSearchParams('range=1h')), 7_200_000)).toEqual({ from: 3_600_000, to: 7_200_000 });
  });
});

describe('server-sent events', () => {
  const text = ': hello\r\nid: 7\nevent: commit\ndata: {"a":\ndata: 1}\n\n: beat\nid: 9\n\ndata: x\n\n';

  test.each([1, 2, 3, 7, 1000])('are the same however the stream is cut (%i characters at once)', (size) => {
    const parser = new EventParser();
    const events = [];
    for (let at = 0; at < text.length; at += size) events.push(...parser.push(text.slice(at, at + size)));
    expect(events).toEqual([
      { id: '7', event: 'commit', data: '{"a":\n1}' },
      { id: '9', event: 'message', data: 'x' },
    ]);
    expect(parser.id).toBe('9');
  });
});

describe('the plan', () => {
  const node = (name: string, more: Partial<PlanNode> = {}): PlanNode => ({
    name, kind: 'stream', label: name, records: 1, rate: 1, lag: 0, late: 0, rejected: 0,
    watermark: null, last_record: '2026-01-01T00:00:00Z', last_error: null, stale: false, ...more,
  });
  const plan = {
    now: '2026-01-01T00:00:00Z',
    nodes: [node('table'), node('feed'), node('topic'), node('window')],
    edges: [['feed', 'topic'], ['topic', 'table'], ['topic', 'window'], ['feed', 'window']].map(([source = '', target = '']) => ({ source, target })),
  };

  test('is laid out in the order in which data flows', () => {
    expect(layers(plan).map((layer) => layer.map(({ name }) => name))).toEqual([['feed'], ['topic'], ['table', 'window']]);
    const picture = layout(plan, 900);
    expect(picture.lines).toHaveLength(4);
    expect(new Set(picture.boxes.map(({ x, y }) => `${x} ${y}`)).size).toBe(4);
  });

  test('a circle ends too', () => {
    const circle = { ...plan, edges: [...plan.edges, { source: 'table', target: 'topic' }] };
    expect(layers(circle).flat()).toHaveLength(4);
  });

  test('what never had a record is unused, not silent', () => {
    expect(stateOf(node('a'))).toBe('flowing');
    expect(stateOf(node('a', { stale: true }))).toBe('silent');
    expect(stateOf(node('a', { stale: true, last_record: null, records: 0 }))).toBe('unused');
    expect(stateOf(node('a', { last_error: 'Connection refused.' }))).toBe('error');
  });
});
