/**
 * Marks of things, painted once: each tone and look in every direction. A frame then only copies them, which is what
 * makes thousands of them cheap without a graphics card.
 */

import type { Look, Tone } from '../types';
import type { Palette } from './palette';

const TONES: (Tone | 'stale')[] = ['early', 'good', 'warn', 'bad', 'none', 'stale'];
const LOOKS: Look[] = ['solid', 'hollow'];
const TURNS = 48;
/** The last column is for those whose direction nobody knows. */
const COLUMNS = TURNS + 1;

export class Sprites {
  readonly cell: number;
  readonly sheet: HTMLCanvasElement;

  constructor(
    palette: Palette,
    readonly radius: number,
    readonly ratio: number,
  ) {
    this.cell = Math.ceil((radius * 3.6 + 4) * ratio);
    this.sheet = document.createElement('canvas');
    this.sheet.width = this.cell * COLUMNS;
    this.sheet.height = this.cell * TONES.length * LOOKS.length;
    const ctx = this.sheet.getContext('2d');
    if (!ctx) return;
    TONES.forEach((tone, at) => {
      LOOKS.forEach((look, row) => {
        for (let turn = 0; turn < COLUMNS; turn += 1) {
          ctx.setTransform(ratio, 0, 0, ratio, (turn + 0.5) * this.cell, (at * LOOKS.length + row + 0.5) * this.cell);
          paint(ctx, { palette, tone, look, radius, bearing: turn < TURNS ? (turn * 360) / TURNS : NaN });
        }
      });
    });
  }

  /** Copies a mark onto a canvas whose pixels are the screen's own. */
  draw(ctx: CanvasRenderingContext2D, x: number, y: number, row: number, bearing: number): void {
    const column = Number.isFinite(bearing) ? Math.round((bearing * TURNS) / 360) % TURNS : TURNS;
    const { cell } = this;
    ctx.drawImage(this.sheet, column * cell, row * cell, cell, cell, Math.round(x - cell / 2), Math.round(y - cell / 2), cell, cell);
  }
}

/** Which row of the sheet a mark is in. */
export function rowOf(tone: Tone | 'stale', look: Look): number {
  return TONES.indexOf(tone) * LOOKS.length + (look === 'hollow' ? 1 : 0);
}

interface Mark {
  palette: Palette;
  tone: Tone | 'stale';
  look: Look;
  radius: number;
  bearing: number;
}

function paint(ctx: CanvasRenderingContext2D, { palette, tone, look, radius, bearing }: Mark): void {
  const shape = outline(radius, bearing);
  ctx.lineJoin = 'round';
  ctx.strokeStyle = palette.paper;
  ctx.lineWidth = radius > 4 ? 3 : 2;
  ctx.stroke(shape);
  ctx.fillStyle = look === 'hollow' ? palette.paper : palette[tone];
  ctx.fill(shape);
  if (look === 'hollow') {
    ctx.strokeStyle = palette[tone];
    ctx.lineWidth = radius > 4 ? 1.8 : 1.2;
    ctx.setLineDash([2.6, 1.8]);
    ctx.stroke(shape);
    ctx.setLineDash([]);
  } else if (radius > 4) {
    sign(ctx, palette, tone, radius);
  }
}

/** A drop whose tip shows the way; a disc where there is no way to show. */
function outline(radius: number, bearing: number): Path2D {
  const shape = new Path2D();
  if (!Number.isFinite(bearing)) {
    shape.arc(0, 0, radius, 0, 2 * Math.PI);
    return shape;
  }
  const angle = ((bearing - 90) * Math.PI) / 180;
  const [open, reach] = [0.85, radius * 1.72];
  shape.arc(0, 0, radius, angle + open, angle - open + 2 * Math.PI);
  shape.lineTo(Math.cos(angle) * reach, Math.sin(angle) * reach);
  shape.closePath();
  return shape;
}

/** Not by colour alone: early has a bar across, late a dot, very late a bar down. */
function sign(ctx: CanvasRenderingContext2D, palette: Palette, tone: Tone | 'stale', radius: number): void {
  ctx.fillStyle = palette.paper;
  const [long, thin] = [radius * 0.95, Math.max(1.4, radius * 0.3)];
  if (tone === 'early') ctx.fillRect(-long / 2, -thin / 2, long, thin);
  else if (tone === 'bad') ctx.fillRect(-thin / 2, -long / 2, thin, long);
  else if (tone === 'warn') {
    ctx.beginPath();
    ctx.arc(0, 0, radius * 0.32, 0, 2 * Math.PI);
    ctx.fill();
  }
}

/** How large marks are at a zoom: dots when far, drops when near. */
export function radiusAt(zoom: number, amount: number): number {
  if (zoom < 10 || (amount > 1500 && zoom < 11.5)) return 3;
  if (zoom < 12 || amount > 1500) return 5;
  return zoom < 14 ? 6.5 : 7.5;
}
