/** A quiet style for tiles whose style nobody has written: water, green, buildings and ways, in the page's colours. */

import type { LayerSpecification, StyleSpecification } from 'maplibre-gl';
import type { Palette } from './palette';

export interface Tiles {
  address: string;
  vector: boolean;
  /** Names of what is in vector tiles, by whatever scheme they were made. */
  layers: string[];
}

type Kind = 'green' | 'water' | 'building' | 'way' | 'border';

/** What the usual schemes (OpenMapTiles, Protomaps, Shortbread) call things. What none of them knows stays away. */
const KINDS: [Kind, RegExp][] = [
  ['water', /water|ocean|sea|lake|river/],
  ['green', /park|green|wood|forest|land_?cover/],
  ['building', /building/],
  ['way', /road|transportation|street|highway|path|rail/],
  ['border', /bound|admin/],
];
/** From below upwards. */
const ORDER: Kind[] = ['green', 'water', 'building', 'border', 'way'];
/** Points and names of these layers are nothing to draw. */
const NAMES = /name|label|poi|place|point/;

export function kindOf(layer: string): Kind | null {
  const name = layer.toLowerCase();
  return NAMES.test(name) ? null : (KINDS.find(([, pattern]) => pattern.test(name))?.[0] ?? null);
}

export function quietStyle(tiles: Tiles, palette: Palette): StyleSpecification {
  const land: LayerSpecification = { id: 'land', type: 'background', paint: { 'background-color': palette.land } };
  const url = `pmtiles://${tiles.address}`;
  if (!tiles.vector) {
    // Pictures are made for the light; they step back so that what moves is in front.
    const picture: LayerSpecification = { id: 'picture', type: 'raster', source: 'tiles', paint: { 'raster-opacity': 0.5, 'raster-saturation': -0.6 } };
    return { version: 8, sources: { tiles: { type: 'raster', url, tileSize: 256 } }, layers: [land, picture] };
  }
  const drawn = ORDER.flatMap((kind) => tiles.layers.filter((layer) => kindOf(layer) === kind).flatMap((layer) => layersOf(kind, layer, palette)));
  return { version: 8, sources: { tiles: { type: 'vector', url } }, layers: [land, ...drawn] };
}

function layersOf(kind: Kind, layer: string, palette: Palette): LayerSpecification[] {
  const from = { source: 'tiles', 'source-layer': layer };
  const area: LayerSpecification = { id: `${layer} areas`, type: 'fill', ...from, filter: ['==', ['geometry-type'], 'Polygon'], paint: { 'fill-color': palette[kind === 'green' ? 'green' : kind === 'water' ? 'water' : 'built'] } };
  const wide = ['interpolate', ['exponential', 1.6], ['zoom'], 9, 0.4, 14, 1.6, 18, 9] as unknown as number;
  const line: LayerSpecification = {
    id: `${layer} lines`, type: 'line', ...from, filter: ['==', ['geometry-type'], 'LineString'],
    paint: { 'line-color': palette[kind === 'water' ? 'water' : 'way'], 'line-width': wide, ...(kind === 'border' ? { 'line-dasharray': [4, 3] } : {}) },
  };
  return { green: [area], water: [area, line], building: [{ ...area, minzoom: 13 }], way: [line], border: [line] }[kind];
}
