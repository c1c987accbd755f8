// A name server under the test's control: queries wait until the test answers them.
import type {
  DnsAnswer,
  DnsQuery,
  DnsQueryOptions,
  DnsResolver,
} from '../../proxy/network/dns-lookup.ts';

export interface OpenQuery extends DnsQueryOptions {
  readonly name: string;
  readonly callback: (answer: DnsAnswer) => void;
}

export class FakeDnsResolver implements DnsResolver {
  readonly open: OpenQuery[] = [];
  asked = 0;

  resolve(name: string, options: DnsQueryOptions, callback: (answer: DnsAnswer) => void): DnsQuery {
    const query: OpenQuery = { name, ...options, callback };
    this.open.push(query);
    this.asked++;
    return { cancel: () => this.#drop(query) };
  }

  /** Answers every open query for the name; gives how many there were. */
  answer(name: string, addresses: readonly string[], ttlMs?: number): number {
    return this.#reply(name, { kind: 'resolved', addresses, ttlMs });
  }

  fail(name: string, reason = 'EAI_AGAIN'): number {
    return this.#reply(name, { kind: 'failed', reason });
  }

  #reply(name: string, answer: DnsAnswer): number {
    const matching = this.open.filter((query) => query.name === name);
    for (const query of matching) {
      this.#drop(query);
      query.callback(answer);
    }
    return matching.length;
  }

  #drop(query: OpenQuery): void {
    const index = this.open.indexOf(query);
    if (index >= 0) this.open.splice(index, 1);
  }
}
