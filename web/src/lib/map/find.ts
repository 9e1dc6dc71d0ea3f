/** What somebody may look for on a map: places, lines and things, best matches first. */

import type { Geometry } from './geometry';
import { valueText, type Word } from './words';
import type { MapInfo } from '../types';

export interface Found {
  kind: 'thing' | 'place' | 'line';
  id: string;
  name: string;
  note: string;
  line: string;
}

const MOST = 9;

/** Every word must be found; whole names come first, then beginnings of words, then anything. */
export function find(text: string, map: MapInfo, geometry: Geometry, things: Iterable<Word>): Found[] {
  const wanted = plain(text).split(/\s+/).filter(Boolean);
  if (wanted.length === 0) return [];
  const found: { rank: number; what: Found }[] = [];
  const add = (what: Found, base: number) => {
    const rank = rankOf(wanted, plain(`${what.name} ${what.kind === 'place' ? '' : what.note}`), plain(what.name));
    if (rank >= 0) found.push({ rank: rank * 10 + base, what });
  };
  for (const line of geometry.lines.values()) add({ kind: 'line', id: line.id, name: line.title || line.name, note: map.line_word, line: line.id }, 0);
  for (const place of geometry.places.values()) {
    const names = place.lines.map((id) => geometry.lines.get(id)?.name ?? id).join(', ');
    add({ kind: 'place', id: place.id, name: place.name, note: `${map.place_word} ${names}`.trim(), line: place.lines.length === 1 ? (place.lines[0] ?? '') : '' }, place.rank);
  }
  for (const word of things) {
    const line = geometry.lines.get(word.line)?.name ?? word.line;
    const note = [`${line} to ${word.toward}`, word.value === null ? '' : valueText(map, word.value)].filter(Boolean).join(', ');
    add({ kind: 'thing', id: word.id, name: `${map.thing_word} ${word.label}`, note, line: word.line }, 4);
  }
  return found.sort((a, b) => a.rank - b.rank || a.what.name.localeCompare(b.what.name, 'en', { numeric: true })).slice(0, MOST).map(({ what }) => what);
}

/** Letters without marks and case, so that `sao` finds `São`. */
function plain(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
}

function rankOf(wanted: string[], text: string, name: string): number {
  if (!wanted.every((word) => text.includes(word))) return -1;
  const all = wanted.join(' ');
  if (name === all || name.endsWith(` ${all}`)) return 0;
  if (name.startsWith(all)) return 1;
  return wanted.every((word) => ` ${text}`.includes(` ${word}`)) ? 2 : 3;
}
