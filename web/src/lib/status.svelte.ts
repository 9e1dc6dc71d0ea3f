/** What the bar tells on every page: health of the feeds, newest age, and what is wrong since when. */

import { asProblem, get, type Problem } from './api';
import { clock } from './clock.svelte';
import { type NodeState, stateOf } from './graph';
import { instant, SECOND } from './time';
import type { Domain, Plan, PlanNode, Status } from './types';

const EVERY = 5 * SECOND;
const HIDDEN = 30 * SECOND;
const RETRY = 2 * SECOND;

class StatusWatch {
  status = $state.raw<Status | null>(null);
  domains = $state.raw<Domain[] | null>(null);
  /** Feeds by how they are. */
  feeds = $state.raw<Record<'live' | 'silent' | 'down', PlanNode[]> | null>(null);
  /** The last failure to reach the server, and since when it fails. */
  problem = $state.raw<Problem | null>(null);
  failingSince = $state(0);

  #seen = $state(0);
  #timer: ReturnType<typeof setTimeout> | undefined;

  start(): void {
    document.addEventListener('visibilitychange', () => !document.hidden && this.refresh());
    this.refresh();
  }

  refresh = (): void => {
    clearTimeout(this.#timer);
    void this.#ask();
  };

  /** Time of the newest record that anybody has told of: the status, or the live stream since. */
  get newest(): number {
    const told = instant(this.status?.newest ?? null);
    return Number.isFinite(told) ? Math.max(told, this.#seen) : told;
  }

  /** The live stream has brought a record of this time. A record from the future makes nothing newer. */
  saw(at: number): void {
    if (at > this.#seen && at <= clock.precise()) this.#seen = at;
  }

  async #ask(): Promise<void> {
    const started = this.status?.started;
    try {
      const status = await get<Status>('/v1/status');
      clock.zone = status.zone || 'UTC';
      this.status = status;
      if (!this.domains || (started && started !== status.started)) this.domains = await get<Domain[]>('/v1/domains');
      await this.#askFeeds();
      this.problem = null;
      this.failingSince = 0;
    } catch (error) {
      this.problem = asProblem(error);
      if (!this.failingSince) this.failingSince = clock.precise();
    }
    const pause = this.problem ? RETRY : EVERY;
    this.#timer = setTimeout(this.refresh, document.hidden ? HIDDEN : pause);
  }

  /** A feed that never spoke is not silent: nobody has used it yet. */
  async #askFeeds(): Promise<void> {
    const plan = await get<Plan>('/v1/plan');
    const feeds = plan.nodes.filter((node) => node.kind === 'feed');
    const those = (state: NodeState) => feeds.filter((node) => stateOf(node) === state);
    this.feeds = { live: those('flowing'), silent: those('silent'), down: those('error') };
  }
}

export const watch = new StatusWatch();
