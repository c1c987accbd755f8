// [m] Names to addresses for DNS clusters (envoy-behaviour §7.1): which way a name is asked for.
//
// Choice: name servers are asked by c-ares, as Envoy does: it tells TTLs and any number of queries may wait, while
// getaddrinfo holds a thread of libuv's pool until it gives up. What getaddrinfo knows besides, the hosts file and the
// search domains of a pod, is read here (dns-query.ts). getaddrinfo itself is for those who ask for it.
import type { LookupAddress } from 'node:dns';
import type { TimeSource } from '../base/clock.ts';
import { dns } from '../base/node-builtins.ts';
import type { DnsLookupFamily } from '../config/cluster-config.ts';
import type { DnsAnswer, DnsQuery, DnsQueryOptions, DnsResolver } from './dns-lookup.ts';
import { CaresQuery } from './dns-query.ts';
import { CaresServers } from './dns-servers.ts';

/** getaddrinfo blocks a thread of libuv's pool (4 by default) until it gives up: half of them stay free for files. */
const MAX_PARALLEL = 2;
/** What Envoy takes getaddrinfo's answers for. */
const SYSTEM_TTL_MS = 60_000;

interface Pending {
  readonly name: string;
  readonly family: DnsLookupFamily;
  readonly callback: (answer: DnsAnswer) => void;
  cancelled: boolean;
}

export class SystemDnsResolver implements DnsResolver {
  readonly #servers: CaresServers;
  #queue: Pending[] = [];
  #running = 0;

  constructor(time: TimeSource) {
    this.#servers = new CaresServers(time);
  }

  resolve(name: string, options: DnsQueryOptions, callback: (answer: DnsAnswer) => void): DnsQuery {
    if (options.resolver?.kind === 'getaddrinfo')
      return this.#enqueue({ name, family: options.family, callback, cancelled: false });
    return new CaresQuery(name, options, this.#servers, callback);
  }

  #enqueue(pending: Pending): DnsQuery {
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
    dns().lookup(pending.name, { all: true, family, order: 'verbatim' }, (error, found) => {
      this.#running--;
      this.#next();
      if (pending.cancelled) return;
      if (error !== null) pending.callback(failureOf(error));
      else {
        const addresses = chooseFamily(found, pending.family);
        pending.callback({ kind: 'resolved', addresses, ttlMs: SYSTEM_TTL_MS });
      }
    });
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
