// [m] One name asked of name servers by c-ares: hosts file first, then the name with and without the search domains, in the
// order of the family asked for (envoy-behaviour §7.1).
import type { RecordWithTtl, Resolver } from 'node:dns';
import type { DnsAnswer, DnsQuery, DnsQueryOptions } from './dns-lookup.ts';
import type { CaresServers, HostsEntry, SearchList } from './dns-servers.ts';

type Family = 4 | 6;

/** Families one after the other, until one has an address; two of `ALL` go together. */
const FAMILIES = {
  V4_ONLY: [4],
  V6_ONLY: [6],
  AUTO: [6, 4],
  V4_PREFERRED: [4, 6],
  ALL: [4, 6],
} as const satisfies Record<string, readonly Family[]>;

/** The server says there is no such name, or no address of the kind: an answer, not a failure. */
const EMPTY_ANSWERS: ReadonlySet<string> = new Set(['ENODATA', 'ENOTFOUND']);

interface FamilyResult {
  readonly addresses: readonly string[];
  readonly ttlMs: number | undefined;
  /** Undefined: answered, perhaps with nothing. */
  readonly failure: string | undefined;
}

const NO_SEARCH: SearchList = { domains: [], ndots: 0 };

/** In the order they are tried: a name that ends with a dot is taken as it is, one with few dots is taken as it is last. */
export function candidateNames(name: string, { domains, ndots }: SearchList): readonly string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const searched = domains.map((domain) => `${name}.${domain}`);
  const dots = name.split('.').length - 1;
  return dots >= ndots ? [name, ...searched] : [...searched, name];
}

export class CaresQuery implements DnsQuery {
  readonly #options: DnsQueryOptions;
  readonly #servers: CaresServers;
  readonly #callback: (answer: DnsAnswer) => void;
  readonly #names: readonly string[];
  #cancelled = false;

  constructor(
    name: string,
    options: DnsQueryOptions,
    servers: CaresServers,
    callback: (answer: DnsAnswer) => void,
  ) {
    this.#options = options;
    this.#servers = servers;
    this.#callback = callback;
    const bare = name.endsWith('.') ? name.slice(0, -1) : name;
    const known = servers.hosts(bare.toLowerCase());
    const addresses = known === undefined ? [] : fromHosts(known, options.family);
    const list = options.resolver?.searchDomains === false ? NO_SEARCH : servers.searchList();
    this.#names = known === undefined ? candidateNames(name, list) : [];
    if (addresses.length > 0 || this.#names.length === 0) {
      const answer = { kind: 'resolved', addresses, ttlMs: undefined } as const;
      queueMicrotask(() => this.#settle(answer));
      return;
    }
    void this.#run().then((answer) => this.#settle(answer));
  }

  cancel(): void {
    this.#cancelled = true;
  }

  #settle(answer: DnsAnswer): void {
    if (!this.#cancelled) this.#callback(answer);
  }

  async #run(): Promise<DnsAnswer> {
    const { resolver } = this.#options;
    const fallback = resolver?.serversAreFallback === true;
    const own = (resolver?.servers.length ?? 0) > 0 && !fallback;
    const answer = await this.#tryNames(this.#servers.channel(resolver, own));
    if (answer.kind === 'resolved' || !fallback || this.#cancelled) return answer;
    return this.#tryNames(this.#servers.channel(resolver, true));
  }

  /** The first name with an address; a failure ends the search, as what it hides may be the right one. */
  async #tryNames(channel: Resolver): Promise<DnsAnswer> {
    for (const name of this.#names) {
      if (this.#cancelled) break;
      const answer = await this.#tryFamilies(channel, name);
      if (answer.kind === 'failed' || answer.addresses.length > 0) return answer;
    }
    return { kind: 'resolved', addresses: [], ttlMs: undefined };
  }

  async #tryFamilies(channel: Resolver, name: string): Promise<DnsAnswer> {
    const { family } = this.#options;
    const results: FamilyResult[] = [];
    if (family === 'ALL') {
      results.push(...(await Promise.all(FAMILIES.ALL.map((one) => ask(channel, name, one)))));
    } else {
      for (const one of FAMILIES[family]) {
        const result = await ask(channel, name, one);
        results.push(result);
        if (result.addresses.length > 0 || this.#cancelled) break;
      }
    }
    const addresses = results.flatMap((result) => result.addresses);
    // An empty answer for one family tells little where the other could not be asked.
    const failure = results.find((result) => result.failure !== undefined)?.failure;
    if (addresses.length === 0 && failure !== undefined) return { kind: 'failed', reason: failure };
    const ttls = results.flatMap(({ ttlMs }) => (ttlMs === undefined ? [] : [ttlMs]));
    return {
      kind: 'resolved',
      addresses,
      ttlMs: ttls.length === 0 ? undefined : Math.min(...ttls),
    };
  }
}

function ask(channel: Resolver, name: string, family: Family): Promise<FamilyResult> {
  return new Promise((done) => {
    const onAnswer = (
      error: NodeJS.ErrnoException | null,
      records: readonly RecordWithTtl[] | undefined,
    ): void => {
      if (error !== null) {
        const code = error.code ?? error.message;
        const failure = EMPTY_ANSWERS.has(code) ? undefined : code;
        done({ addresses: [], ttlMs: undefined, failure });
        return;
      }
      const found = records ?? [];
      done({
        addresses: found.map(({ address }) => address),
        ttlMs: found.length === 0 ? undefined : leastTtl(found) * 1000,
        failure: undefined,
      });
    };
    try {
      if (family === 6) channel.resolve6(name, { ttl: true }, onAnswer);
      else channel.resolve4(name, { ttl: true }, onAnswer);
    } catch (error) {
      // A name that no query can carry.
      done({ addresses: [], ttlMs: undefined, failure: (error as Error).message });
    }
  });
}

const leastTtl = (records: readonly RecordWithTtl[]): number =>
  records.reduce((least, { ttl }) => Math.min(least, ttl), Infinity);

function fromHosts(entry: HostsEntry, family: DnsQueryOptions['family']): readonly string[] {
  const { v4, v6 } = entry;
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
      return [...v4, ...v6];
  }
}
