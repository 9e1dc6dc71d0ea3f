/** A status board as the server declares it, and what its endpoint answers. */

/** A board: an endpoint fills it, and its rows are all of one kind of thing. */
export interface BoardInfo {
  name: string;
  title: string;
  path: string;
  thing_word: string;
  /** The window whose rows can be had as a file. */
  window: string | null;
  stale_seconds: number;
  dead_seconds: number;
  /** Its endpoint takes `at`, an instant of the past. */
  past?: boolean;
}

/** Something that is at a place (`here`), or was there last. */
export interface BoardEvent {
  text: string;
  at: string;
  here: boolean;
  note: string;
}

export interface BoardRow {
  id: string;
  name: string;
  note: string;
  tags: string[];
  [column: string]: BoardEvent[] | number | string | string[] | null;
}

export interface BoardGroup {
  id: string;
  title: string;
  color: string;
  rows: BoardRow[];
}

/** What the endpoint of a board answers. */
export interface BoardAnswer {
  now: string;
  heard: string | null;
  /** The time of the world that is shown, where it is not now. */
  clock: string | null;
  facts: { title: string; value: string; note: string; at: string }[];
  columns: { name: string; title: string; kind: 'event' | 'number' }[];
  groups: BoardGroup[];
  /** Sentences about the numbers. */
  notes?: string[];
}
