/** Questions to the server. Every failure becomes a Problem: what happened, where, why, and what to do. */

import { clock } from './clock.svelte';

export class Problem extends Error {
  readonly where: string;
  readonly why: string;
  readonly next: string;
  readonly status: number;
  readonly fields: Record<string, unknown>;

  constructor(what: string, fields: Record<string, unknown> = {}) {
    super(what);
    const text = (name: string) => (typeof fields[name] === 'string' ? (fields[name] as string) : '');
    this.where = text('where');
    this.why = text('why');
    this.next = text('next');
    this.status = typeof fields['status'] === 'number' ? fields['status'] : 0;
    this.fields = fields;
  }
}

export type Parameters = Record<string, string | number | boolean | null | undefined | readonly string[]>;

/** A path with its query; empty values are left out, lists repeat their name. */
export function address(path: string, parameters: Parameters = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value === null || value === undefined || value === '') continue;
    if (typeof value === 'object') for (const item of value) query.append(name, item);
    else query.append(name, String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** One segment of a path: names come from declarations, but nothing is taken for granted. */
export function segment(name: string): string {
  return encodeURIComponent(name);
}

export async function get<T>(path: string, parameters: Parameters = {}, signal?: AbortSignal): Promise<T> {
  return ask<T>(address(path, parameters), { headers: { accept: 'application/json' }, ...(signal ? { signal } : {}) });
}

/** The same of what rarely changes: the browser keeps it, and asks only whether it is still so. */
export async function getKept<T>(path: string, parameters: Parameters = {}): Promise<T> {
  return ask<T>(address(path, parameters), { headers: { accept: 'application/json' }, cache: 'no-cache' });
}

/** With a token, as the administrator. */
export async function post<T>(path: string, body: unknown, token = ''): Promise<T> {
  const headers: Record<string, string> = { accept: 'application/json', 'content-type': 'application/json' };
  if (token) headers['authorization'] = `Bearer ${token}`;
  return ask<T>(path, { method: 'POST', headers, body: JSON.stringify(body) });
}

async function ask<T>(url: string, request: RequestInit): Promise<T> {
  const sent = performance.now();
  let response: Response;
  try {
    response = await fetch(url, { cache: 'no-store', ...request });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new Problem('Wayside does not answer.', {
      where: url,
      why: 'The connection was refused or broke off.',
      next: 'See whether the process still runs. This page tries again by itself.',
    });
  }
  const received = performance.now();
  if (!response.ok) throw await problemOf(response, url);
  const answer = (await response.json()) as T;
  const now = (answer as { now?: unknown } | null)?.now;
  // What is asked as of another moment is answered with that moment, which is no clock.
  if (typeof now === 'string' && !/[?&]at=/.test(url)) clock.observe(now, sent, received);
  return answer;
}

/** The problem that an answer carries, or one that says at least its status. */
export async function problemOf(response: Response, url: string): Promise<Problem> {
  let fields: Record<string, unknown> = {};
  try {
    fields = (await response.json()) as Record<string, unknown>;
  } catch {
    // Not JSON: a proxy in between, or a server that broke off.
  }
  const title = fields['detail'] ?? fields['title'];
  const what = typeof title === 'string' ? title : `The server answered ${response.status}.`;
  return new Problem(what, { where: url, ...fields, status: response.status });
}

export function aborted(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem('This page could not read the answer.', { why: error instanceof Error ? error.message : String(error) });
}
