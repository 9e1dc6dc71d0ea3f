/** A map of the world below ours, where one is configured. Loaded only then: the library is larger than all the rest. */

import { addProtocol, config, Map as Ground, setWorkerUrl, type StyleSpecification } from 'maplibre-gl';
import worker from 'maplibre-gl/dist/maplibre-gl-worker.mjs?url';
import { PMTiles, Protocol } from 'pmtiles';
import type { Background } from '../types';
import { quietStyle, type Tiles } from './ground';
import { unproject, type View } from './mercator';
import { refusal, refused, type Referring } from './origins';
import type { Palette } from './palette';

interface Policies {
  createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): unknown;
  readonly defaultPolicy: unknown;
}

const protocol = new Protocol({ metadata: true });

/** Once for the page: how tiles are read, and where the worker is. */
function prepare(): void {
  if (config.WORKER_URL) return;
  const own = new URL(worker, location.href).href;
  const policies = (window as unknown as { trustedTypes?: Policies }).trustedTypes;
  // The library starts its worker by a text. This lets that one text through, and no other.
  if (policies && !policies.defaultPolicy) {
    policies.createPolicy('default', {
      createScriptURL: (url) => {
        if (url === own) return url;
        throw new TypeError('Only the worker of the map may be started.');
      },
    });
  }
  setWorkerUrl(own);
  addProtocol('pmtiles', protocol.tile);
}

export const NOTHING = 'The background cannot be shown here.';

/** The background as it is shown: our canvases lie on it, and it follows their view. */
export class Below {
  #ground: Ground;
  #styled = false;
  readonly #tiles: Tiles | null;

  private constructor(
    host: HTMLElement,
    shown: { style: StyleSpecification | string; tiles: Tiles | null },
    view: View,
    private readonly allowed: readonly string[],
    said: (credits: string) => void,
  ) {
    this.#tiles = shown.tiles;
    this.#ground = new Ground({
      container: host, style: shown.style, ...placed(view), interactive: false, attributionControl: false, fadeDuration: 0,
      pitchWithRotate: false, dragRotate: false, maxPitch: 0, canvasContextAttributes: { antialias: true },
    });
    const tell = () => said([this.#refused(), this.#credits()].filter(Boolean).join(' '));
    this.#ground.on('sourcedata', tell);
    this.#ground.on('styledata', () => ((this.#styled = true), tell()));
    // What a style refers to and is not there leaves a hole in the ground; without the style there is nothing.
    this.#ground.on('error', () => (this.#styled ? tell() : said(NOTHING)));
  }

  /** Throws where the tiles cannot be read, or where the browser has no WebGL. */
  static async begin(host: HTMLElement, what: Background, palette: Palette, view: View, said: (credits: string) => void): Promise<Below> {
    prepare();
    if (what.style) return new Below(host, { style: new URL(what.style, location.href).href, tiles: null }, view, what.origins, said);
    const address = new URL(what.tiles, location.href).href;
    const archive = new PMTiles(address);
    protocol.add(archive);
    const [header, metadata] = await Promise.all([archive.getHeader(), archive.getMetadata()]);
    const layers = (metadata as { vector_layers?: { id: string }[] } | null)?.vector_layers ?? [];
    const tiles: Tiles = { address, vector: header.tileType === 1 || header.tileType === 6, layers: layers.map(({ id }) => id) };
    return new Below(host, { style: quietStyle(tiles, palette), tiles }, view, what.origins, said);
  }

  /** Shows a view at once, in the same frame as what lies above it. */
  move(view: View): void {
    this.#ground.jumpTo(placed(view));
    this.#ground.redraw();
  }

  /** Takes on the colours of another theme, where the style is ours. */
  wear(palette: Palette): void {
    if (this.#tiles) this.#ground.setStyle(quietStyle(this.#tiles, palette));
  }

  end(): void {
    this.#ground.remove();
  }

  /** Whom the style needs and the page may not speak to: what it names, and what its sources have named since. */
  #refused(): string {
    if (!this.#styled) return '';
    const style = this.#ground.getStyle();
    const found = Object.keys(style.sources).map((name) => [`${name} as loaded`, { tiles: (this.#ground.getSource(name) as { tiles?: unknown } | undefined)?.tiles }]);
    const sources = { ...style.sources, ...Object.fromEntries(found) } as Referring['sources'];
    return refusal(refused({ sources, glyphs: style.glyphs, sprite: style.sprite }, this.allowed, location.href));
  }

  /** Who is to be named for the tiles, in plain text: what a source says may hold markup. */
  #credits(): string {
    const sources = Object.keys(this.#ground.getStyle()?.sources ?? {});
    const told = sources.map((name) => (this.#ground.getSource(name) as { attribution?: string } | undefined)?.attribution ?? '');
    return [...new Set(told.map(plain))].filter(Boolean).join(' · ');
  }
}

function placed(view: View): { center: [number, number]; zoom: number } {
  const { longitude, latitude } = unproject(view);
  return { center: [longitude, latitude], zoom: view.zoom };
}

const NAMED: Record<string, string> = { amp: '&', copy: '©', lt: '<', gt: '>', quot: '"', nbsp: ' ' };

function plain(text: string): string {
  const bare = text.replace(/<[^>]*>/g, '');
  return bare.replace(/&(\w+);/g, (whole, name: string) => NAMED[name] ?? whole).trim();
}
