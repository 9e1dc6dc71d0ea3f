import { untrack } from 'svelte';
import { aborted, asProblem, type Problem } from './api';

/**
 * Asks at once, and again `every` so many milliseconds after each answer. `told` hears of each problem, and of null
 * when an answer is good. Returns what ends it: the value of an `$effect`, which then depends on nothing that `ask` reads.
 */
export function repeat(every: number, ask: (signal: AbortSignal) => Promise<void>, told: (problem: Problem | null) => void): () => void {
  const abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const turn = async (): Promise<void> => {
    try {
      await ask(abort.signal);
      told(null);
    } catch (error) {
      if (aborted(error)) return;
      told(asProblem(error));
    }
    timer = setTimeout(() => void turn(), every);
  };
  untrack(() => void turn());
  return () => {
    abort.abort();
    clearTimeout(timer);
  };
}
