// [m] The c-ares channels behind CaresQuery, one for each set of resolver settings, and what the system's files say beside
// name servers: the hosts file and the search list. Files are read when somebody asks, at most once a second.
import type { Resolver } from 'node:dns';
import { isIpv4, isIpv6 } from '../base/ip-text.ts';
import type { TimeSource } from '../base/clock.ts';
import { dns, fs } from '../base/node-builtins.ts';
import type { DnsResolverConfig } from '../config/cluster-config.ts';

/** Envoy's own (CaresDnsResolverConfig). */
const DEFAULT_TIMEOUT_MS = 5000;
const DEFAULT_TRIES = 4;
const READ_AGAIN_MS = 1000;
/** A file larger than that is none of ours. */
const MAX_FILE_BYTES = 1 << 20;
const MAX_SEARCH_DOMAINS = 32;
const MAX_NDOTS = 15;

export interface SearchList {
  readonly domains: readonly string[];
  /** A name with that many dots is tried as it is first. */
  readonly ndots: number;
}

export interface HostsEntry {
  readonly v4: readonly string[];
  readonly v6: readonly string[];
}

export class CaresServers {
  readonly #channels = new Map<string, Resolver>();
  readonly #hosts: ParsedFile<ReadonlyMap<string, HostsEntry>>;
  readonly #search: ParsedFile<SearchList>;

  constructor(time: TimeSource) {
    this.#hosts = new ParsedFile('/etc/hosts', parseHosts, time);
    this.#search = new ParsedFile('/etc/resolv.conf', parseSearchList, time);
  }

  /** `own`: by the servers of the settings, not the system's. */
  channel(config: DnsResolverConfig | undefined, own: boolean): Resolver {
    const servers = own ? (config?.servers ?? []) : [];
    const timeout = config?.timeoutMs || DEFAULT_TIMEOUT_MS;
    const tries = config?.tries || DEFAULT_TRIES;
    const key = `${servers.join()} ${timeout} ${tries}`;
    let channel = this.#channels.get(key);
    if (channel === undefined) {
      channel = new (dns().Resolver)({ timeout, tries });
      if (servers.length > 0) channel.setServers(servers);
      this.#channels.set(key, channel);
    }
    return channel;
  }

  /** Of the hosts file; `localhost` is known without it. */
  hosts(name: string): HostsEntry | undefined {
    const entry = this.#hosts.get().get(name);
    if (entry !== undefined) return entry;
    const local = name === 'localhost' || name.endsWith('.localhost');
    return local ? { v4: ['127.0.0.1'], v6: ['::1'] } : undefined;
  }

  searchList(): SearchList {
    return this.#search.get();
  }
}

class ParsedFile<T> {
  readonly #path: string;
  readonly #parse: (text: string) => T;
  readonly #time: TimeSource;
  #value: T | undefined;
  #readMs = -Infinity;

  constructor(path: string, parse: (text: string) => T, time: TimeSource) {
    this.#path = path;
    this.#parse = parse;
    this.#time = time;
  }

  get(): T {
    const nowMs = this.#time.monotonicMs();
    if (this.#value === undefined || nowMs - this.#readMs >= READ_AGAIN_MS) {
      this.#readMs = nowMs;
      this.#value = this.#parse(readSmall(this.#path));
    }
    return this.#value;
  }
}

function readSmall(path: string): string {
  try {
    return fs.statSync(path).size > MAX_FILE_BYTES ? '' : fs.readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** Lines of words, comments taken off. */
const wordsOf = (text: string): readonly string[][] =>
  text
    .split('\n')
    .map((line) => line.replace(/[#;].*/, '').split(/[\s]+/))
    .map((words) => words.filter((word) => word !== ''));

export function parseHosts(text: string): ReadonlyMap<string, HostsEntry> {
  const entries = new Map<string, { v4: string[]; v6: string[] }>();
  for (const [address = '', ...names] of wordsOf(text)) {
    if (!isIpv4(address) && !isIpv6(address)) continue;
    for (const name of names) {
      const key = name.toLowerCase();
      const entry = entries.get(key) ?? { v4: [], v6: [] };
      entries.set(key, entry);
      (isIpv4(address) ? entry.v4 : entry.v6).push(address);
    }
  }
  return entries;
}

export function parseSearchList(text: string): SearchList {
  let domains: readonly string[] = [];
  let ndots = 1;
  for (const [keyword, ...values] of wordsOf(text)) {
    // The last of the two wins, as in resolv.conf(5).
    if (keyword === 'search') domains = values.slice(0, MAX_SEARCH_DOMAINS);
    if (keyword === 'domain') domains = values.slice(0, 1);
    if (keyword !== 'options') continue;
    for (const option of values) {
      const digits = /^ndots:(\d{1,4})$/.exec(option)?.[1];
      if (digits !== undefined) ndots = Math.min(Number(digits), MAX_NDOTS);
    }
  }
  return { domains: domains.filter((domain) => domain !== '.'), ndots };
}
