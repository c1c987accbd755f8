// [m] ProxyAdmin: what the agent asks of the proxy's admin port (istio-contract §6.5, §6.8).
import type { HttpAnswer, HttpFailure } from './http-client.ts';
import { fetchBounded } from './http-client.ts';

export type StatsResult =
  | { readonly ok: true; readonly values: ReadonlyMap<string, number> }
  | { readonly ok: false; readonly reason: string };

const MAX_ANSWER_BYTES = 4_194_304;
const ADMIN_TIMEOUT_MS = 1000;

/** `name: value` a line; lines of other shapes (histograms, texts) are passed over. */
export function parseStatsText(text: string): ReadonlyMap<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const colon = line.lastIndexOf(': ');
    if (colon <= 0) continue;
    const value = line.slice(colon + 2);
    if (/^-?[0-9]{1,20}$/.test(value)) values.set(line.slice(0, colon), Number(value));
  }
  return values;
}

export class ProxyAdmin {
  readonly #host: string;
  readonly #port: number;

  constructor(host: string, port: number) {
    this.#host = host;
    this.#port = port;
  }

  #send(method: string, path: string): Promise<HttpAnswer | HttpFailure> {
    const target = {
      host: this.#host,
      port: this.#port,
      method,
      path,
      timeoutMs: ADMIN_TIMEOUT_MS,
    };
    return fetchBounded(target, MAX_ANSWER_BYTES);
  }

  /** Stats that were touched and whose name matches the regex `filter`. */
  async stats(filter: string): Promise<StatsResult> {
    const answer = await this.#send('GET', `/stats?usedonly&filter=${encodeURIComponent(filter)}`);
    if (!answer.ok) return answer;
    if (answer.status !== 200)
      return { ok: false, reason: `admin answered ${answer.status} to /stats` };
    return { ok: true, values: parseStatsText(answer.body.toString('latin1')) };
  }

  /** Undefined when the proxy took it. */
  async drainListeners(which: {
    readonly inboundOnly: boolean;
    readonly skipExit: boolean;
  }): Promise<string | undefined> {
    const inbound = which.inboundOnly ? 'inboundonly&' : '';
    const path = `/drain_listeners?${inbound}graceful${which.skipExit ? '&skip_exit' : ''}`;
    const answer = await this.#send('POST', path);
    if (!answer.ok) return answer.reason;
    return answer.status === 200
      ? undefined
      : `admin answered ${answer.status} to /drain_listeners`;
  }
}
