/** Answers of the server, as documented in its OpenAPI. Times are ISO 8601 in UTC. */

import type { BoardInfo } from './boards';

export type Cell = string | number | boolean | null;

export interface Column {
  name: string;
  type: string;
  unit: string | null;
}

export interface Frame {
  columns: Column[];
  rows: Cell[][];
  next?: Cell;
  total?: number;
  thinned?: boolean;
  /** Keys of rows that are gone; only in what the live stream sends. */
  deleted?: Cell[][];
}

export interface Trouble {
  since: string;
  what: string;
  next: string;
}

/** What lies below the maps, where somebody has configured it: addresses, each may be empty. */
export interface Background {
  style: string;
  tiles: string;
  origins: string[];
}

export interface Status {
  version: string;
  now: string;
  started: string;
  zone: string;
  feeds: { live: number; silent: number; down: number };
  newest: string | null;
  rejected_last_hour: number;
  background: Background | null;
  data_dir_problem: string | null;
  problems: Trouble[];
}

export interface Layer {
  name: string;
  title: string;
  kind: string;
  table: string;
  thing: string;
  series: string | null;
  value: string;
  time: string;
  unit: string;
  window: string | null;
  stale_seconds: number;
  dead_seconds: number;
}

export interface Output {
  name: string;
  kind: string;
  unit: string | null;
  column?: string;
}

export interface WindowInfo {
  name: string;
  kind: string;
  size_seconds: number;
  every_seconds: number;
  by: string[];
  outputs: Output[];
}

export type Tone = 'early' | 'good' | 'warn' | 'bad' | 'none';
export type Look = 'solid' | 'hollow' | 'hidden';

export interface Fact {
  column: string;
  title: string;
  unit: string;
  words: Record<string, string>;
}

/** What is planned and expected: an endpoint that is asked with `thing` or `place`. */
export interface CallsInfo {
  path: string;
  title: string;
  board: string;
  passed: string;
  /** Endpoints of a line over time: how much was in time, and what was planned; empty where there are none. */
  shares: string;
  planned: string;
  /** All of them take `at`, an instant of the past. */
  past: boolean;
}

export interface PassedRow {
  thing: string | null;
  path: string | null;
  event: string;
  at: string;
  headway: number | null;
  dwell: number | null;
  spacing: string | null;
}

export interface CallRow {
  thing: string | null;
  place: string | null;
  place_name: string | null;
  line: string | null;
  toward: string | null;
  direction: number | null;
  planned: string | null;
  expected: string | null;
  state: string;
  /** A word or two on what is particular about it. */
  note?: string | null;
}

/** A map as its domain declares it: names of columns by the part that they play. */
export interface MapInfo {
  name: string;
  title: string;
  table: string;
  thing: string;
  time: string;
  latitude: string;
  longitude: string;
  lines: { geometry: string; line: string; name: string; title: string; colour: string; ink: string; length: string };
  places: { geometry: string; name: string; lines: string } | null;
  /** All columns of the table that it reads. */
  columns: string[];
  gone: string;
  unseen: string;
  bearing: string;
  path: string;
  along: string;
  speed: string;
  label: string;
  line: string;
  toward: string;
  next: string;
  value: string;
  value_title: string;
  value_unit: string;
  less_word: string;
  more_word: string;
  bands: { name: string; tone: Tone; below: number | null }[];
  state: string;
  states: Record<string, { words: string; look: Look }>;
  facts: Fact[];
  calls: CallsInfo | null;
  window: string;
  output: string;
  horizon_seconds: number;
  stale_seconds: number;
  dead_seconds: number;
  thing_word: string;
  things_word: string;
  place_word: string;
  line_word: string;
}

export interface Domain {
  name: string;
  title: string;
  zone: string;
  layers: Layer[];
  maps: MapInfo[];
  boards: BoardInfo[];
  tables: string[];
  windows: WindowInfo[];
}

export interface PlanNode {
  name: string;
  kind: string;
  label: string;
  records: number;
  rate: number | null;
  lag: number | null;
  late: number | null;
  rejected: number | null;
  watermark: string | null;
  last_record: string | null;
  last_error: string | null;
  stale: boolean;
}

export interface Plan {
  now: string;
  nodes: PlanNode[];
  edges: { source: string; target: string }[];
}

export interface Partition {
  partition: number;
  start: number;
  end: number;
  bytes: number;
  oldest: string | null;
  newest: string | null;
}

export interface Topic {
  name: string;
  record: string;
  doc: string;
  key: string[];
  time: string | null;
  partitions: Partition[];
  fields: { name: string; type: string; unit: string | null; doc: string }[];
  retention: { age_seconds: number | null; bytes: number | null };
  compact: boolean;
}

/** A page of a topic; `columns` may be plain names. */
export interface TopicPage {
  columns: (Column | string)[];
  rows: Cell[][];
  start: number;
  end: number;
  next: number | null;
}

export interface Rejected {
  id: string;
  at: string;
  feed: string;
  topic: string;
  rule: string;
  message: string;
  raw: string;
  raw_truncated: boolean;
  replayed_at: string | null;
}

export interface QuarantinePage {
  rows: Rejected[];
  by_rule: Record<string, number>;
  total: number;
  next: string | number | null;
}

export interface Replayed {
  replayed: number;
  accepted: number;
  rejected: number;
  duplicates: number;
}

export interface Sparklines {
  now: string;
  points: Record<string, [number, number | null][]>;
}

/** What the live stream sends with `snapshot` and `commit`. */
export interface LiveUpdate {
  sequence: number;
  now: string;
  tables?: Record<string, Frame>;
  windows?: Record<string, Frame>;
}

/** What it sends with `records`: the tail of a topic. */
export interface LiveRecords {
  topic: string;
  columns?: (Column | string)[];
  rows: Cell[][] | Record<string, Cell>[];
}
