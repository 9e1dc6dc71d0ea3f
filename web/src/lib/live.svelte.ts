/** The live stream: one connection per page, picked up again by itself where it broke off. */

import { address, aborted, type Parameters, problemOf } from './api';
import { clock } from './clock.svelte';
import { EventParser, type ServerEvent } from './sse';
import { SECOND } from './time';
import type { LiveRecords, LiveUpdate } from './types';

export interface LiveHandlers {
  snapshot?: (update: LiveUpdate) => void;
  commit?: (update: LiveUpdate) => void;
  records?: (records: LiveRecords) => void;
}

/** The server sends a heartbeat every 15 s; nothing at all for this long is a dead line. */
const SILENCE = 40 * SECOND;
/** A page that nobody sees lets go of its connection: browsers allow few of them per server. */
const HIDDEN = 60 * SECOND;
const BACKOFF = [300, 700, 1500, 3000, 5000];

class Connection {
  /** Whether a stream is wanted, and whether it flows. */
  state = $state<'idle' | 'connecting' | 'open' | 'lost'>('idle');
  /** Server time at which it was lost. */
  since = $state(0);
}

/** What the bar tells about the stream of the page that is shown. */
export const connection = new Connection();

export class LiveStream {
  #abort: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #hidden: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #lastId = '';
  #closed = false;

  constructor(
    private readonly parameters: Parameters,
    private readonly handlers: LiveHandlers,
  ) {
    document.addEventListener('visibilitychange', this.#visibility);
    connection.state = 'connecting';
    void this.#connect();
  }

  close(): void {
    this.#closed = true;
    document.removeEventListener('visibilitychange', this.#visibility);
    this.#stop();
    clearTimeout(this.#hidden);
    connection.state = 'idle';
  }

  #stop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#watchdog);
    this.#abort?.abort();
    this.#abort = undefined;
  }

  #visibility = (): void => {
    clearTimeout(this.#hidden);
    if (document.hidden) {
      this.#hidden = setTimeout(() => this.#stop(), HIDDEN);
    } else if (!this.#abort) {
      clearTimeout(this.#timer);
      void this.#connect();
    }
  };

  async #connect(): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    const url = address('/v1/live', { ...this.parameters, last_event_id: this.#lastId });
    try {
      const headers = { accept: 'text/event-stream' };
      const response = await fetch(url, { headers, cache: 'no-store', signal: abort.signal });
      if (!response.ok || !response.body) throw await problemOf(response, url);
      connection.state = 'open';
      this.#failures = 0;
      await this.#read(response.body);
      if (this.#abort === abort) this.#lost();
    } catch (error) {
      if (this.#abort === abort && !(aborted(error) && this.#closed)) this.#lost();
    }
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    const reader = body.getReader();
    const parser = new EventParser();
    const decoder = new TextDecoder();
    for (;;) {
      this.#expect();
      const { done, value } = await reader.read();
      if (done) return;
      for (const event of parser.push(decoder.decode(value, { stream: true }))) this.#take(event);
      this.#lastId = parser.id || this.#lastId;
    }
  }

  #expect(): void {
    clearTimeout(this.#watchdog);
    const abort = this.#abort;
    this.#watchdog = setTimeout(() => {
      if (this.#abort !== abort) return;
      abort?.abort();
      this.#lost();
    }, SILENCE);
  }

  #take(event: ServerEvent): void {
    const received = performance.now();
    if (event.event === 'records') {
      this.handlers.records?.(JSON.parse(event.data) as LiveRecords);
    } else if (event.event === 'snapshot' || event.event === 'commit') {
      const update = JSON.parse(event.data) as LiveUpdate;
      if (!clock.known) clock.observe(update.now, received, received);
      this.handlers[event.event]?.(update);
    }
  }

  #lost(): void {
    clearTimeout(this.#watchdog);
    this.#abort = undefined;
    if (this.#closed) return;
    if (connection.state !== 'lost') connection.since = clock.precise();
    connection.state = 'lost';
    if (document.hidden && this.#failures > BACKOFF.length) return;
    const pause = BACKOFF[Math.min(this.#failures, BACKOFF.length - 1)] ?? 5000;
    this.#failures += 1;
    this.#timer = setTimeout(() => void this.#connect(), pause * (0.8 + 0.4 * Math.random()));
  }
}
