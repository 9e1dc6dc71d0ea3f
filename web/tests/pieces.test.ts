import { expect, test } from 'vitest';
import { type Piece, Pieces } from '../src/lib/map/pieces';

const MINUTE = 60_000;
const signal = new AbortController().signal;

function asked(): { pieces: Pieces<number>; log: Piece[] } {
  const log: Piece[] = [];
  const pieces = new Pieces<number>(10 * MINUTE, (piece) => {
    log.push(piece);
    return Promise.resolve([piece.from / MINUTE]);
  });
  return { pieces, log };
}

test('the newest piece comes first, and what has come is told after each', async () => {
  const { pieces, log } = asked();
  const told: [number[], boolean][] = [];
  await pieces.bring({ from: 5 * MINUTE, to: 32 * MINUTE }, signal, (...found) => told.push(found));
  expect(log.map(({ from, to }) => [from / MINUTE, to / MINUTE])).toEqual([[30, 32], [20, 30], [10, 20], [0, 10]]);
  expect(told.map(([found, whole]) => [found.length, whole])).toEqual([[1, false], [2, false], [3, false], [4, true]]);
});

test('what is over is not asked for again, except where it was hardly over', async () => {
  const { pieces, log } = asked();
  const bring = (to: number) => pieces.bring({ from: to * MINUTE - 30 * MINUTE, to: to * MINUTE }, signal, () => undefined);
  await bring(40.5);
  log.length = 0;
  await bring(41.5);
  // At the first time 30 to 40 was over for half a minute only.
  expect(log.map(({ from }) => from / MINUTE)).toEqual([40, 30]);
  log.length = 0;
  await bring(51.5);
  expect(log.map(({ from }) => from / MINUTE)).toEqual([50, 40]);
});

test('a piece that fails is asked for again', async () => {
  let broken = true;
  const pieces = new Pieces<number>(10 * MINUTE, ({ from }) => (broken && from === 0 ? Promise.reject(new Error('no')) : Promise.resolve([from])));
  let found: number[] = [];
  const bring = () => pieces.bring({ from: 0, to: 15 * MINUTE }, signal, (told) => (found = told));
  await expect(bring()).rejects.toThrow('no');
  expect(found).toEqual([10 * MINUTE]);
  broken = false;
  await bring();
  expect(found.length).toBe(2);
});
