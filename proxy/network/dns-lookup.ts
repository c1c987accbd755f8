// [m] What asks for names and what answers: the interface of DNS resolvers.
import type { DnsLookupFamily, DnsResolverConfig } from '../config/cluster-config.ts';

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

export interface DnsQueryOptions {
  readonly family: DnsLookupFamily;
  /** Absent: the system's name servers. */
  readonly resolver?: DnsResolverConfig | undefined;
}

export interface DnsResolver {
  /** The callback is called once, never from within this call. */
  resolve(name: string, options: DnsQueryOptions, callback: (answer: DnsAnswer) => void): DnsQuery;
}
