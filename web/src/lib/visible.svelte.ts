/** Which rows of a long table are in sight, so that only those are drawn. */

const SPARE = 12;

export class VisibleRows {
  first = $state(0);
  amount = $state(40);

  constructor(private readonly height: number) {}

  /** Watches the scrolling of whatever scrolls around the table. */
  attach = (body: HTMLElement): (() => void) => {
    const scroller = scrollerOf(body);
    const look = () => {
      const above = scroller.getBoundingClientRect().top - body.getBoundingClientRect().top;
      this.first = Math.max(0, Math.floor(above / this.height) - SPARE);
      this.amount = Math.ceil(scroller.clientHeight / this.height) + 2 * SPARE;
    };
    const observer = new ResizeObserver(look);
    observer.observe(scroller);
    scroller.addEventListener('scroll', look, { passive: true });
    look();
    return () => {
      observer.disconnect();
      scroller.removeEventListener('scroll', look);
    };
  };

  slice<T>(rows: T[]): { before: number; rows: T[]; after: number } {
    const first = Math.min(this.first, Math.max(0, rows.length - this.amount));
    const shown = rows.slice(first, first + this.amount);
    return { before: first, rows: shown, after: rows.length - first - shown.length };
  }
}

function scrollerOf(element: HTMLElement): HTMLElement {
  for (let above = element.parentElement; above; above = above.parentElement) {
    if (/auto|scroll/.test(getComputedStyle(above).overflowY)) return above;
  }
  return document.documentElement;
}
