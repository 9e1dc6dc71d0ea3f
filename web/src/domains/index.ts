/**
 * Where the page of a domain is. Every domain has one at /d/<name>, made from its declarations alone; a domain with a
 * shorter path or a page made by hand says so here.
 */

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
