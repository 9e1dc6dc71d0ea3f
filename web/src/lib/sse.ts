/**
 * Server-sent events over fetch. EventSource hides heartbeats and refusals; this sees both, so a connection that is
 * half open is noticed, and a refusal can be read.
 */

export interface ServerEvent {
  id: string;
  event: string;
  data: string;
}

/** Takes the stream apart, whatever way it was cut on its way here. */
export class EventParser {
  #rest = '';
  #event = '';
  #data: string[] = [];
  #id = '';

  /** The last id that was sent, also with a heartbeat that carries nothing else. */
  get id(): string {
    return this.#id;
  }

  /** Events that are complete after this piece of text. */
  push(text: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') this.#finish(events);
      else this.#field(line);
    }
    return events;
  }

  #field(line: string): void {
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') this.#data.push(value);
    else if (name === 'event') this.#event = value;
    else if (name === 'id' && !value.includes('\0')) this.#id = value;
  }

  #finish(events: ServerEvent[]): void {
    if (this.#data.length > 0) events.push({ id: this.#id, event: this.#event || 'message', data: this.#data.join('\n') });
    this.#event = '';
    this.#data = [];
  }
}
