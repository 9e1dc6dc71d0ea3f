/** The picture of one series, on uPlot: readings as a line, windows as bars behind it. */

import uPlot from 'uplot';
import { type Bar, coarser } from './bars';
import { number } from './format';
import { lines, type Scale, steadyScale, stepDecimals } from './scale';
import { clockTime, timeSteps } from './zone';

export interface Picture {
  at: number[];
  values: (number | null)[];
  bars: Bar[];
  from: number;
  to: number;
  zone: string;
  /** Changes when something else is shown: the vertical scale then begins anew. */
  subject: string;
}

export interface ChartEvents {
  /** An instant that is pointed at; null when the pointer leaves. */
  point: (at: number | null, index: number | null) => void;
  /** A span that was drawn with the pointer. */
  select: (from: number, to: number) => void;
}

interface Colours {
  ink: string;
  words: string;
  rule: string;
  accent: string;
}

const FONT = '11px Inter, system-ui, sans-serif';
const WORDS_GAP = 10;
const WORDS_HEIGHT = 30;

export class Chart {
  #plot: uPlot;
  #picture: Picture;
  #colours: Colours;
  #scale: Scale | null = null;

  constructor(
    private readonly host: HTMLElement,
    picture: Picture,
    private readonly events: ChartEvents,
  ) {
    this.#picture = picture;
    this.#colours = colours(host);
    this.#rescale();
    this.#plot = new uPlot(this.#options(), [picture.at, picture.values], host);
  }

  show(picture: Picture): void {
    if (picture.subject !== this.#picture.subject) this.#scale = null;
    const changed = picture.at !== this.#picture.at || picture.values !== this.#picture.values;
    this.#picture = picture;
    this.#rescale();
    this.#plot.batch(() => {
      if (changed) this.#plot.setData([picture.at, picture.values], false);
      this.#plot.setScale('x', { min: picture.from, max: picture.to });
    });
    this.#plot.redraw(false, true);
  }

  resize(width: number, height: number): void {
    if (width > 0 && (width !== this.#plot.width || height !== this.#plot.height)) this.#plot.setSize({ width, height });
  }

  recolour(): void {
    this.#colours = colours(this.host);
    this.#plot.redraw(false, true);
  }

  destroy(): void {
    this.#plot.destroy();
  }

  #rescale(): void {
    const { at, values, bars, from, to } = this.#picture;
    let [low, high] = [Infinity, -Infinity];
    const see = (value: number | null | undefined) => {
      if (value === null || value === undefined) return;
      if (value < low) low = value;
      if (value > high) high = value;
    };
    at.forEach((time, index) => time >= from && time <= to && see(values[index]));
    for (const bar of bars) {
      if (bar.end < from || bar.start > to) continue;
      see(bar.low ?? bar.mean);
      see(bar.high ?? bar.mean);
    }
    this.#scale = steadyScale(this.#scale, low, high);
  }

  #options(): uPlot.Options {
    return {
      width: this.host.clientWidth || 600,
      height: this.host.clientHeight || 260,
      padding: [8, 2, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        points: { show: false },
        drag: { x: true, y: false, setScale: false, dist: 8 },
      },
      scales: {
        x: { time: false, range: () => [this.#picture.from, this.#picture.to] },
        y: { range: () => [this.#scale?.low ?? 0, this.#scale?.high ?? 1] },
      },
      axes: this.#axes(),
      series: [{}, { stroke: () => this.#colours.ink, width: 1.1, points: this.#alone(), spanGaps: false }],
      hooks: {
        drawAxes: [(plot) => this.#drawBands(plot)],
        draw: [(plot) => this.#drawMeans(plot)],
        setCursor: [(plot) => this.#pointed(plot)],
        setSelect: [(plot) => this.#selected(plot)],
      },
    };
  }

  /** Readings without neighbours are no line; a dot each. */
  #alone(): uPlot.Series.Points {
    const filter = (plot: uPlot): number[] | null => {
      const values = [...(plot.data[1] ?? [])];
      const missing = (at: number) => values[at] === null || values[at] === undefined;
      const found = values.map((_, at) => at).filter((at) => !missing(at) && missing(at - 1) && missing(at + 1));
      return found.length > 0 ? found : null;
    };
    return { show: false, filter, size: 4, width: 0, fill: () => this.#colours.ink, stroke: () => this.#colours.ink };
  }

  #axes(): uPlot.Axis[] {
    const common = { stroke: () => this.#colours.words, font: FONT, ticks: { show: false } };
    return [
      {
        ...common,
        size: WORDS_HEIGHT,
        gap: 8,
        grid: { show: false },
        splits: (plot) => this.#steps(plot).at.filter((at) => this.#fits(plot, at)),
        values: (plot, splits) => {
          const seconds = this.#steps(plot).step < 60_000;
          return splits.map((at) => clockTime(at, this.#picture.zone, seconds));
        },
      },
      {
        ...common,
        size: () => this.#wordsWidth(),
        gap: WORDS_GAP,
        grid: { stroke: () => this.#colours.rule, width: 1 },
        splits: () => (this.#scale ? lines(this.#scale) : []),
        values: (_plot, splits) => splits.map((value) => this.#word(value)),
      },
    ];
  }

  /** Words at the very edges would be cut off, or run into those of the other axis. */
  #fits(plot: uPlot, at: number): boolean {
    const { from, to } = this.#picture;
    const width = Math.max(1, plot.width - this.#wordsWidth());
    const x = ((at - from) / (to - from)) * width;
    return x > 12 && x < width - 26;
  }

  #word(value: number): string {
    return number(value, stepDecimals(this.#scale?.step ?? 1));
  }

  /** As wide as the widest word of the scale; the scale keeps still, so this does too. */
  #wordsWidth(): number {
    const longest = Math.max(2, ...(this.#scale ? lines(this.#scale) : []).map((value) => this.#word(value).length));
    return Math.ceil(longest * 6.4) + WORDS_GAP;
  }

  #steps(plot: uPlot): { step: number; at: number[] } {
    const { from, to, zone } = this.#picture;
    return timeSteps(from, to, zone, Math.max(2, (plot.width - this.#wordsWidth()) / 92));
  }

  /** Bars in sight; where they are narrower than the eye can part, several as one. */
  #seen(plot: uPlot): { bars: Bar[]; dense: boolean } {
    const { from, to, bars } = this.#picture;
    const perPixel = (to - from) / (plot.bbox.width / devicePixelRatio);
    const seen = bars.filter((bar) => bar.end > from && bar.start < to);
    const dense = seen.length > 0 && seen.every((bar) => (bar.end - bar.start) / perPixel < 4);
    return { bars: dense ? coarser(seen, perPixel * 3) : seen, dense };
  }

  #drawBands(plot: uPlot): void {
    const { bars, dense } = this.#seen(plot);
    const line = plot.series[1];
    // Thousands of readings are a texture behind the averages, not a line in front of them.
    if (line) line.alpha = dense ? 0.35 : 1;
    this.#inside(plot, (ctx, x, y) => {
      ctx.globalAlpha = 0.15;
      for (const bar of bars) {
        if (bar.low === null || bar.high === null) continue;
        const inset = dense ? 0 : devicePixelRatio;
        const [left, right, top, bottom] = [x(bar.start) + inset, x(bar.end) - inset, y(bar.high), y(bar.low)];
        ctx.fillRect(left, top, Math.max(1, right - left), Math.max(devicePixelRatio, bottom - top));
      }
    });
  }

  #drawMeans(plot: uPlot): void {
    const { bars, dense } = this.#seen(plot);
    this.#inside(plot, (ctx, x, y) => {
      let before: Bar | null = null;
      for (const bar of bars) {
        if (bar.mean === null) continue;
        ctx.setLineDash(bar.open && !dense ? [3 * devicePixelRatio, 3 * devicePixelRatio] : []);
        ctx.beginPath();
        // Narrow ones are one line through their middles, as far as they touch.
        const joined = dense && before !== null && bar.start - before.end < before.end - before.start;
        if (joined && before) ctx.moveTo(x((before.start + before.end) / 2), y(before.mean ?? bar.mean));
        else ctx.moveTo(x(bar.start) + (dense ? 0 : devicePixelRatio), y(bar.mean));
        ctx.lineTo(dense ? x((bar.start + bar.end) / 2) : x(bar.end) - devicePixelRatio, y(bar.mean));
        ctx.stroke();
        before = bar;
      }
    });
  }

  /** Draws in the accent's colour within the plot's frame. */
  #inside(plot: uPlot, draw: (ctx: CanvasRenderingContext2D, x: (at: number) => number, y: (value: number) => number) => void): void {
    const { ctx, bbox } = plot;
    const { from, to } = this.#picture;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.fillStyle = this.#colours.accent;
    ctx.strokeStyle = this.#colours.accent;
    ctx.lineWidth = 1.75 * devicePixelRatio;
    ctx.lineJoin = 'round';
    draw(
      ctx,
      (at) => plot.valToPos(Math.min(to, Math.max(from, at)), 'x', true),
      (value) => plot.valToPos(value, 'y', true),
    );
    ctx.restore();
  }

  #pointed(plot: uPlot): void {
    const { left, idx } = plot.cursor;
    if (left === undefined || left < 0) this.events.point(null, null);
    else this.events.point(plot.posToVal(left, 'x'), idx ?? null);
  }

  #selected(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < 8) return;
    this.events.select(plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x'));
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  }
}

/** Canvas needs colours, not names: each is read from an element that wears it. */
function colours(host: HTMLElement): Colours {
  const probe = document.createElement('span');
  probe.hidden = true;
  host.append(probe);
  const read = (name: string) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const found = { ink: read('--soft'), words: read('--faint'), rule: read('--rule'), accent: read('--accent') };
  probe.remove();
  return found;
}
