/** The plan laid out in layers, from left to right as data flows. */

import type { Plan, PlanNode } from './types';

export interface Box {
  node: PlanNode;
  x: number;
  y: number;
}

export interface Line {
  key: string;
  path: string;
}

export interface Picture {
  boxes: Box[];
  lines: Line[];
  width: number;
  height: number;
}

export const BOX = { width: 224, height: 54 };
const GAP = { least: 48, most: 150, row: 18 };
const EDGE = 1;

/** Nodes in the order in which data flows, each with its layer: one more than the last of its sources. */
export function layers(plan: Plan): PlanNode[][] {
  const sources = new Map<string, string[]>(plan.nodes.map(({ name }) => [name, []]));
  for (const { source, target } of plan.edges) if (sources.has(source)) sources.get(target)?.push(source);
  const depth = new Map<string, number>();
  const depthOf = (name: string, path: string[]): number => {
    const known = depth.get(name);
    if (known !== undefined) return known;
    // A plan has no circles; were there one, this must still end.
    const before = path.includes(name) ? [] : (sources.get(name) ?? []);
    const found = Math.max(-1, ...before.map((source) => depthOf(source, [...path, name]))) + 1;
    depth.set(name, found);
    return found;
  };
  const found: PlanNode[][] = [];
  for (const node of plan.nodes) {
    const at = depthOf(node.name, []);
    (found[at] ??= []).push(node);
  }
  return Array.from(found, (layer) => layer ?? []);
}

/** Sorts each layer by where its sources are, so that lines cross little. */
function untangled(rows: PlanNode[][], plan: Plan): PlanNode[][] {
  const place = new Map<string, number>();
  return rows.map((layer) => {
    const wish = (node: PlanNode, at: number) => {
      const from = plan.edges.filter(({ target }) => target === node.name).map(({ source }) => place.get(source) ?? 0);
      return from.length > 0 ? from.reduce((sum, y) => sum + y, 0) / from.length : at;
    };
    const sorted = layer
      .map((node, at) => ({ node, wish: wish(node, at), at }))
      .sort((left, right) => left.wish - right.wish || left.at - right.at)
      .map(({ node }) => node);
    sorted.forEach((node, at) => place.set(node.name, at - (sorted.length - 1) / 2));
    return sorted;
  });
}

/** Boxes and lines for so much room; wider than the room when it must be. */
export function layout(plan: Plan, room: number): Picture {
  const rows = untangled(layers(plan), plan);
  const tallest = Math.max(1, ...rows.map((layer) => layer.length));
  const step = BOX.height + GAP.row;
  const height = tallest * step - GAP.row + 2 * EDGE;
  const free = rows.length > 1 ? (room - 2 * EDGE - rows.length * BOX.width) / (rows.length - 1) : 0;
  const gap = Math.min(GAP.most, Math.max(GAP.least, free));
  const boxes = rows.flatMap((layer, column) => {
    const top = (height - (layer.length * step - GAP.row)) / 2;
    return layer.map((node, row) => ({ node, x: EDGE + column * (BOX.width + gap), y: top + row * step }));
  });
  const width = 2 * EDGE + rows.length * BOX.width + Math.max(0, rows.length - 1) * gap;
  return { boxes, lines: linesOf(plan, boxes), width, height };
}

function linesOf(plan: Plan, boxes: Box[]): Line[] {
  const at = new Map(boxes.map((box) => [box.node.name, box]));
  return plan.edges.flatMap(({ source, target }) => {
    const [from, to] = [at.get(source), at.get(target)];
    if (!from || !to) return [];
    const [x1, y1] = [from.x + BOX.width, from.y + BOX.height / 2];
    const [x2, y2] = [to.x, to.y + BOX.height / 2];
    const bend = Math.max(24, (x2 - x1) / 2);
    return [{ key: `${source} ${target}`, path: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` }];
  });
}

export type NodeState = 'error' | 'flowing' | 'silent' | 'unused';

/** How a node is, in a word. What never had a record is not silent: nobody has used it yet. */
export function stateOf(node: PlanNode): NodeState {
  if (node.last_error) return 'error';
  if (!node.last_record) return node.records > 0 ? 'flowing' : 'unused';
  return node.stale ? 'silent' : 'flowing';
}
