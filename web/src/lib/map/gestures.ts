/** Hands on the map: drag, pinch, wheel, double click and keys, each as a change of the view. */

import { panned, type Point, type Size, type View, zoomed } from './mercator';

export interface Hands {
  view: () => View;
  size: () => Size;
  move: (view: View) => void;
  /** A click or tap that moved nothing; `reach` is how far off it may be. */
  pick: (at: Point, reach: number) => void;
  point: (at: Point | null) => void;
}

const CLICK = 5;
const REACH = { mouse: 14, touch: 24 };
const KEYS: Record<string, [number, number]> = { ArrowLeft: [90, 0], ArrowRight: [-90, 0], ArrowUp: [0, 90], ArrowDown: [0, -90] };

export class Gestures {
  #held = new Map<number, Point>();
  #travelled = 0;
  #frame = 0;
  #target: { zoom: number; around: Point } | null = null;

  constructor(
    private readonly host: HTMLElement,
    private readonly hands: Hands,
  ) {
    host.addEventListener('pointerdown', this.#down);
    host.addEventListener('pointermove', this.#move);
    host.addEventListener('pointerup', this.#up);
    host.addEventListener('pointercancel', this.#up);
    host.addEventListener('pointerleave', this.#leave);
    host.addEventListener('wheel', this.#wheel, { passive: false });
    host.addEventListener('dblclick', this.#double);
  }

  destroy(): void {
    cancelAnimationFrame(this.#frame);
    this.host.removeEventListener('pointerdown', this.#down);
    this.host.removeEventListener('pointermove', this.#move);
    this.host.removeEventListener('pointerup', this.#up);
    this.host.removeEventListener('pointercancel', this.#up);
    this.host.removeEventListener('pointerleave', this.#leave);
    this.host.removeEventListener('wheel', this.#wheel);
    this.host.removeEventListener('dblclick', this.#double);
  }

  /** Whether a key was one of the map's. */
  key(event: KeyboardEvent): boolean {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const pan = KEYS[event.key];
    if (pan) this.hands.move(panned(this.hands.view(), ...pan));
    else if (event.key === '+' || event.key === '=') this.zoomBy(1);
    else if (event.key === '-' || event.key === '_') this.zoomBy(-1);
    else return false;
    return true;
  }

  /** Glides to another zoom; several calls in a row add up. */
  zoomBy(steps: number, around: Point = this.#middle()): void {
    this.#target = { zoom: (this.#target?.zoom ?? this.hands.view().zoom) + steps, around };
    if (!this.#frame) this.#frame = requestAnimationFrame(this.#glide);
  }

  #glide = (): void => {
    this.#frame = 0;
    if (!this.#target) return;
    const view = this.hands.view();
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const rest = this.#target.zoom - view.zoom;
    const there = calm || Math.abs(rest) < 0.01;
    const next = zoomed(view, this.hands.size(), there ? this.#target.zoom : view.zoom + rest * 0.3, this.#target.around);
    this.hands.move(next);
    if (there || next.zoom === view.zoom) this.#target = null;
    else this.#frame = requestAnimationFrame(this.#glide);
  };

  #middle(): Point {
    const { width, height } = this.hands.size();
    return { x: width / 2, y: height / 2 };
  }

  #at(event: MouseEvent): Point {
    const box = this.host.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  #down = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    if (this.#held.size === 0) this.#travelled = 0;
    this.#held.set(event.pointerId, this.#at(event));
    this.host.setPointerCapture(event.pointerId);
    this.#target = null;
  };

  #move = (event: PointerEvent): void => {
    const [at, before] = [this.#at(event), this.#held.get(event.pointerId)];
    if (!before) return void (event.pointerType === 'mouse' && this.hands.point(at));
    const [dx, dy] = [at.x - before.x, at.y - before.y];
    this.#travelled += Math.hypot(dx, dy);
    this.#held.set(event.pointerId, at);
    if (this.#travelled < CLICK) return;
    const other = [...this.#held].find(([id]) => id !== event.pointerId)?.[1];
    if (!other) return this.hands.move(panned(this.hands.view(), dx, dy));
    const spread = Math.hypot(at.x - other.x, at.y - other.y) / Math.max(1, Math.hypot(before.x - other.x, before.y - other.y));
    const middle = { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 };
    const moved = panned(this.hands.view(), dx / 2, dy / 2);
    this.hands.move(zoomed(moved, this.hands.size(), moved.zoom + Math.log2(Math.max(0.2, spread)), middle));
  };

  #up = (event: PointerEvent): void => {
    if (!this.#held.delete(event.pointerId)) return;
    const picked = event.type === 'pointerup' && this.#held.size === 0 && this.#travelled < CLICK;
    if (picked) this.hands.pick(this.#at(event), event.pointerType === 'mouse' ? REACH.mouse : REACH.touch);
  };

  #leave = (): void => this.hands.point(null);

  #wheel = (event: WheelEvent): void => {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 20 : 1;
    const steps = (-event.deltaY * lines) / (event.ctrlKey ? 60 : 260);
    const view = this.hands.view();
    this.#target = null;
    this.hands.move(zoomed(view, this.hands.size(), view.zoom + Math.max(-1, Math.min(1, steps)), this.#at(event)));
  };

  #double = (event: MouseEvent): void => {
    event.preventDefault();
    this.zoomBy(event.shiftKey ? -1 : 1, this.#at(event));
  };
}
