// [m] Names to addresses for DNS clusters (envoy-behaviour §7.1).
//
// Choice: addresses come from getaddrinfo (dns.lookup), because it alone knows /etc/hosts, the search domains of a pod
// and nsswitch; c-ares' resolve4/6 know none of them. getaddrinfo tells no TTL, so where a cluster respects TTLs a
// second query by c-ares asks for it; without an answer the cluster's refresh rate holds.
import { lookup as systemLookup, Resolver } from 'node:dns';
import type { LookupAddress } from 'node:dns';

export type DnsLookupFamily = 'AUTO' | 'V4_ONLY' | 'V6_ONLY' | 'V4_PREFERRED' | 'ALL';

export type DnsAnswer =
  /** `addresses` may be empty: the name is known to have none. `ttlMs` undefined: not told. */
  | {
      readonly kind: 'resolved';
      readonly addresses: readonly string[];
      readonly ttlMs: number | undefined;
    }
  | { readonly kind: 'failed'; readonly reason: string };

export interface DnsQuery {
  /** The callback is not called any more. */
  cancel(): void;
}

export interface DnsResolver {
  /** The callback is called once, never from within this call. `wantTtl` may cost a second query. */
  resolve(
    name: string,
    options: { readonly family: DnsLookupFamily; readonly wantTtl: boolean },
    callback: (answer: DnsAnswer) => void,
  ): DnsQuery;
}

/** getaddrinfo blocks a thread of libuv's pool (4 by default) until it gives up: half of them stay free for files. */
const MAX_PARALLEL = 2;
/** Of the query that only asks for the TTL. */
const TTL_TIMEOUT_MS = 2000;

interface Pending {
  readonly name: string;
  readonly family: DnsLookupFamily;
  readonly wantTtl: boolean;
  readonly callback: (answer: DnsAnswer) => void;
  cancelled: boolean;
}

export class SystemDnsResolver implements DnsResolver {
  readonly #ttlResolver = new Resolver({ timeout: TTL_TIMEOUT_MS, tries: 1 });
  #queue: Pending[] = [];
  #running = 0;

  resolve(
    name: string,
    options: { readonly family: DnsLookupFamily; readonly wantTtl: boolean },
    callback: (answer: DnsAnswer) => void,
  ): DnsQuery {
    const pending: Pending = { name, ...options, callback, cancelled: false };
    this.#queue.push(pending);
    this.#next();
    return {
      cancel: () => {
        pending.cancelled = true;
        this.#queue = this.#queue.filter((other) => other !== pending);
      },
    };
  }

  #next(): void {
    while (this.#running < MAX_PARALLEL) {
      const pending = this.#queue.shift();
      if (pending === undefined) return;
      this.#running++;
      this.#lookup(pending);
    }
  }

  #lookup(pending: Pending): void {
    const family = pending.family === 'V4_ONLY' ? 4 : pending.family === 'V6_ONLY' ? 6 : 0;
    systemLookup(pending.name, { all: true, family, order: 'verbatim' }, (error, found) => {
      this.#running--;
      this.#next();
      if (pending.cancelled) return;
      if (error !== null) {
        pending.callback(failureOf(error));
        return;
      }
      const addresses = chooseFamily(found, pending.family);
      if (!pending.wantTtl || addresses.length === 0) {
        pending.callback({ kind: 'resolved', addresses, ttlMs: undefined });
        return;
      }
      this.#askTtl(pending, addresses);
    });
  }

  #askTtl(pending: Pending, addresses: readonly string[]): void {
    const answer = (error: Error | null, records: readonly { readonly ttl: number }[]): void => {
      if (pending.cancelled) return;
      const ttlMs =
        error !== null || records.length === 0
          ? undefined
          : Math.min(...records.map((r) => r.ttl)) * 1000;
      pending.callback({ kind: 'resolved', addresses, ttlMs });
    };
    // A failure gives `records` undefined, which the first test in `answer` keeps away.
    if (addresses[0]!.includes(':'))
      this.#ttlResolver.resolve6(pending.name, { ttl: true }, answer);
    else this.#ttlResolver.resolve4(pending.name, { ttl: true }, answer);
  }
}

/** "No such name" is an answer: Envoy takes it for an empty one. Anything else is a failure and keeps old hosts. */
function failureOf(error: NodeJS.ErrnoException): DnsAnswer {
  if (error.code === 'ENOTFOUND') return { kind: 'resolved', addresses: [], ttlMs: undefined };
  return { kind: 'failed', reason: error.code ?? error.message };
}

/** AUTO: v6 where there is any, else v4; V4_PREFERRED the other way round. */
export function chooseFamily(
  found: readonly LookupAddress[],
  family: DnsLookupFamily,
): readonly string[] {
  const v4 = found.filter((a) => a.family === 4).map((a) => a.address);
  const v6 = found.filter((a) => a.family === 6).map((a) => a.address);
  switch (family) {
    case 'V4_ONLY':
      return v4;
    case 'V6_ONLY':
      return v6;
    case 'AUTO':
      return v6.length > 0 ? v6 : v4;
    case 'V4_PREFERRED':
      return v4.length > 0 ? v4 : v6;
    case 'ALL':
      return found.map((a) => a.address);
  }
}
