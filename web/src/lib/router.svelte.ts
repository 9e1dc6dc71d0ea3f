/** The address holds the whole state of a page: a link restores it, and back and forward work. */

class Router {
  path = $state(location.pathname);
  query = $state.raw(new URLSearchParams(location.search));

  constructor() {
    addEventListener('popstate', () => this.#read());
  }

  get(name: string): string {
    return this.query.get(name) ?? '';
  }

  /** Goes to a path of this page. */
  go(url: string, replace = false): void {
    if (url === location.pathname + location.search) return;
    if (replace) history.replaceState(null, '', url);
    else history.pushState(null, '', url);
    this.#read();
  }

  /** The present address with some of its parameters changed; an empty value removes one. */
  url(changes: Record<string, string | null>, path = this.path): string {
    const query = new URLSearchParams(path === this.path ? this.query : undefined);
    for (const [name, value] of Object.entries(changes)) {
      if (value) query.set(name, value);
      else query.delete(name);
    }
    const text = query.toString();
    return text ? `${path}?${text}` : path;
  }

  set(changes: Record<string, string | null>, replace = false): void {
    this.go(this.url(changes), replace);
  }

  /** Takes over plain clicks on links of this page; everything else is left to the browser. */
  follow = (event: MouseEvent): void => {
    if (!plainClick(event)) return;
    const link = (event.target as Element).closest?.('a');
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
    if (link.hash && link.pathname === location.pathname) return;
    if (link.dataset['outside'] !== undefined) return;
    event.preventDefault();
    this.go(link.pathname + link.search);
  };

  #read(): void {
    this.path = location.pathname;
    this.query = new URLSearchParams(location.search);
  }
}

/** A click that nobody has taken and that asks for no other window. */
export function plainClick(event: MouseEvent): boolean {
  const modified = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
  return !event.defaultPrevented && event.button === 0 && !modified;
}

export const router = new Router();
