/**
 * Where the page of a domain is. Every domain has one at /d/<name>, made from its declarations alone; a domain with a
 * shorter path or a page made by hand says so here.
 */

import type { BoardInfo } from '../lib/boards';
import type { Domain, MapInfo } from '../lib/types';

const PATHS: Record<string, string> = {
  devices: '/devices',
};

export function pathOf(domain: string): string {
  return PATHS[domain] ?? `/d/${encodeURIComponent(domain)}`;
}

/** The domain whose page is at a path; null where the path is none of a domain. */
export function domainAt(path: string): string | null {
  const short = Object.entries(PATHS).find(([, at]) => at === path);
  if (short) return short[0];
  const long = /^\/d\/([^/]+)$/.exec(path)?.[1];
  return long ? decodeURIComponent(long) : null;
}

/** The first map is the page that people come for; further ones have their names in the path. */
export function mapPath(domains: readonly Domain[], map: MapInfo): string {
  const first = domains.flatMap(({ maps }) => maps)[0];
  return first?.name === map.name ? '/map' : `/map/${encodeURIComponent(map.name)}`;
}

/** Boards of places and pages of lines belong to the first map that has them. */
export function mapWith(domains: readonly Domain[], what: 'calls' | 'along'): { domain: Domain; map: MapInfo } | null {
  for (const domain of domains) {
    const map = domain.maps.find((one) => (what === 'calls' ? one.calls && one.places : one.along));
    if (map) return { domain, map };
  }
  return null;
}

export function mapAt(domains: readonly Domain[], path: string): { domain: Domain; map: MapInfo } | null {
  for (const domain of domains) {
    const map = domain.maps.find((one) => mapPath(domains, one) === path);
    if (map) return { domain, map };
  }
  return null;
}

/** The zone of the place that a page shows; empty where it shows none. */
export function zoneAt(domains: readonly Domain[], path: string): string {
  const shared = /^\/(board|lines)$/.test(path) ? mapWith(domains, path === '/board' ? 'calls' : 'along') : null;
  const shown = (statusAt(domains, path) ?? mapAt(domains, path) ?? shared)?.domain ?? domains.find(({ name }) => name === domainAt(path));
  return shown?.zone ?? '';
}

/** Boards of things in groups: the first is at /status, further ones have their names in the path. */
export function statusPath(domains: readonly Domain[], board: BoardInfo): string {
  const first = domains.flatMap(({ boards }) => boards)[0];
  return first?.name === board.name ? '/status' : `/status/${encodeURIComponent(board.name)}`;
}

export function statusAt(domains: readonly Domain[], path: string): { domain: Domain; board: BoardInfo } | null {
  for (const domain of domains) {
    const board = domain.boards.find((one) => statusPath(domains, one) === path);
    if (board) return { domain, board };
  }
  return null;
}
