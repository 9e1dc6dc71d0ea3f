/** The page's colours as a canvas wants them: each is read from an element that wears it. */

import type { Tone } from '../types';

export type Palette = Record<'land' | 'paper' | 'ink' | 'soft' | 'faint' | 'edge' | 'accent' | 'stale' | 'water' | 'green' | 'built' | 'way', string> & Record<Tone, string>;

export function paletteOf(host: HTMLElement): Palette {
  const probe = document.createElement('span');
  probe.hidden = true;
  host.append(probe);
  const read = (name: string) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const found: Palette = {
    land: read('land'), paper: read('card'), ink: read('ink'), soft: read('soft'), faint: read('faint'), edge: read('edge'),
    accent: read('accent'), stale: read('stale'), water: read('water'), green: read('green'), built: read('built'), way: read('way'), early: read('early'), good: read('good'), warn: read('warn'), bad: read('bad'),
    none: read('soft'),
  };
  probe.remove();
  return found;
}
