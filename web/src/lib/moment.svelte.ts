/** The moment that the page shows, for what stands around it: the map moves it on by itself while it plays. */

import { clock } from './clock.svelte';
import { router } from './router.svelte';
import { instant, SECOND } from './time';

class Moment {
  /** What the map shows, where there is one: null is now, undefined is no map. */
  shown = $state<number | null | undefined>(undefined);
}

export const moment = new Moment();

export type Asked = { kind: 'now' } | { kind: 'past'; at: number } | { kind: 'future'; at: number } | { kind: 'wrong'; text: string };

/** What the address asks for. A moment that is just about to come is now. */
export function asked(): Asked {
  const text = router.get('at');
  if (moment.shown !== undefined && moment.shown !== null) return { kind: 'past', at: moment.shown };
  if (!text || !clock.known) return { kind: 'now' };
  const at = instant(text);
  if (!Number.isFinite(at)) return { kind: 'wrong', text };
  const now = clock.now;
  if (at > now + 2 * SECOND) return { kind: 'future', at };
  return moment.shown === null || at >= now - SECOND ? { kind: 'now' } : { kind: 'past', at };
}
