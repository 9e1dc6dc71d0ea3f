/** Whom a style makes the page speak to, and whom it may not speak to: the page's policy names every origin. */

interface Source {
  url?: unknown;
  tiles?: unknown;
  data?: unknown;
  urls?: unknown;
}

/** What of a style refers to other places. */
export interface Referring {
  sources?: Record<string, Source> | undefined;
  glyphs?: unknown;
  sprite?: unknown;
}

/** The origins that a style refers to and that are not among those `allowed`, in order. `own` is the page's address. */
export function refused(style: Referring, allowed: readonly string[], own: string): string[] {
  const sources = Object.values(style.sources ?? {}).flatMap(({ url, tiles, data, urls }) => [url, tiles, data, urls]);
  const found = [...sources, style.glyphs, style.sprite].flatMap(texts).map((text) => originOf(text, own));
  const open = new Set([new URL(own).origin, ...allowed]);
  return [...new Set(found)].filter((origin) => origin !== '' && !open.has(origin)).sort();
}

/** What is wrong, why, and what to do, in full sentences; empty when nothing is refused. */
export function refusal(origins: readonly string[]): string {
  if (!origins.length) return '';
  const [who, them] = [origins.join(' and '), origins.length > 1 ? 'them' : 'it'];
  return `The background is not whole: its style takes parts from ${who}, and this page is not allowed to speak to ${them}. Add ${them} to map_origins in Wayside's configuration and start it again.`;
}

function texts(part: unknown): string[] {
  if (typeof part === 'string') return [part];
  if (Array.isArray(part)) return part.flatMap(texts);
  // A sprite may be a list of things with an address each.
  return part && typeof part === 'object' && 'url' in part ? texts(part.url) : [];
}

function originOf(text: string, own: string): string {
  try {
    const { protocol, origin } = new URL(text.replace(/^pmtiles:\/\//, ''), own);
    return /^https?:$/.test(protocol) ? origin : '';
  } catch {
    return '';
  }
}
