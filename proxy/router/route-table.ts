// [w] CompiledRouteTable: one version of a route configuration, ready to be asked (envoy-behaviour §3.1, §3.2).
//
//   authority ─▶ exact domain? ─▶ longest *.suffix ─▶ longest prefix.* ─▶ `*` ─▶ its routes, first match
import { ConfigError } from '../config/config-error.ts';
import type { RouteConfig } from '../config/route-config.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { H } from '../http/headers.ts';
import type { Route, RouteTable } from '../http/route-provider.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import { portStart } from './authority-port.ts';
import { HeaderMutator } from './header-mutator.ts';
import { compilePerFilter } from './per-filter-settings.ts';
import { NO_ENVIRONMENT } from './route-environment.ts';
import type { RouteEnvironment } from './route-environment.ts';
import { MatchPath } from './route-matcher.ts';
import { asciiLowerCase } from './string-matcher.ts';
import { VirtualHost } from './virtual-host.ts';
import { wireText } from './wire-text.ts';

/** Wildcard domains of one length: what is left of them without the `*`. */
interface WildcardsOfLength {
  readonly length: number;
  readonly hosts: Map<string, VirtualHost>;
}

export class CompiledRouteTable implements RouteTable {
  readonly name: string;
  readonly version: string;
  readonly internalOnlyHeaders: readonly string[];
  readonly virtualHosts: readonly VirtualHost[];
  readonly #exact = new Map<string, VirtualHost>();
  /** Longest first. */
  readonly #suffixes: WildcardsOfLength[] = [];
  readonly #prefixes: WildcardsOfLength[] = [];
  #default: VirtualHost | null = null;
  readonly #onlyDefault: boolean;
  readonly #ignorePort: boolean;
  readonly #cutParameters: boolean;
  readonly #path = new MatchPath();

  /** Throws ConfigError with the places of what is wrong: bad regexes, %COMMANDS%, domains named twice. */
  constructor(config: RouteConfig, environment: RouteEnvironment = NO_ENVIRONMENT) {
    this.name = config.name;
    this.version = config.version;
    this.internalOnlyHeaders = config.internalOnlyHeaders;
    this.#ignorePort = config.ignorePortInHostMatching;
    this.#cutParameters = config.ignorePathParametersInPathMatching;
    const scope = {
      config,
      environment,
      perFilter: compilePerFilter(config.perFilter, null),
      requestMutator: HeaderMutator.forRequests(config.headers, '', environment),
      responseMutator: HeaderMutator.forResponses(config.headers, '', environment),
    };
    this.virtualHosts = config.virtualHosts.map(
      (virtualHost, i) => new VirtualHost(virtualHost, i, scope),
    );
    for (let i = 0; i < this.virtualHosts.length; i++) {
      for (const domain of config.virtualHosts[i]!.domains)
        this.#addDomain(domain, this.virtualHosts[i]!);
    }
    this.#suffixes.sort((a, b) => b.length - a.length);
    this.#prefixes.sort((a, b) => b.length - a.length);
    this.#onlyDefault =
      this.#exact.size === 0 && this.#suffixes.length === 0 && this.#prefixes.length === 0;
  }

  route(headers: RequestHeaders, info: StreamInfo): Route | null {
    const host = this.#onlyDefault ? this.#default : this.virtualHostFor(headers.authority ?? '');
    // The connection manager always sets it; an empty one from a client matches nothing (§3.1).
    if (host === null || headers.get(H.xForwardedProto) === '') return null;
    this.#path.set(headers.path, this.#cutParameters);
    return host.route(this.#path, headers, info);
  }

  /** Null when no domain matches. */
  virtualHostFor(authority: string): VirtualHost | null {
    let host = authority;
    if (this.#ignorePort) {
      const colon = portStart(host);
      if (colon >= 0) host = host.slice(0, colon);
    }
    // Keys are lower-case, so a hit says that the host was, too: the usual case needs no second string.
    const hit = this.#exact.get(host);
    if (hit !== undefined) return hit;
    host = asciiLowerCase(host);
    return this.#exact.get(host) ?? this.#wildcard(host) ?? this.#default;
  }

  /** Why each route of the request's virtual host was taken or not, in order; for people, not for traffic. */
  explain(headers: RequestHeaders, info: StreamInfo): readonly string[] {
    const host = this.virtualHostFor(headers.authority ?? '');
    if (host === null) return [`no domain matches '${headers.authority ?? ''}'`];
    const lines = [`${host.place} '${host.name}' has the domain`];
    this.#path.set(headers.path, this.#cutParameters);
    for (const route of host.candidates(headers)) {
      const reason = route.explain(this.#path, headers, info);
      const label = route.name === '' ? route.place : `${route.place} '${route.name}'`;
      lines.push(reason === undefined ? `${label} matches` : `${label} needs ${reason}`);
      if (reason === undefined) break;
    }
    return lines;
  }

  #wildcard(host: string): VirtualHost | undefined {
    for (let i = 0; i < this.#suffixes.length; i++) {
      const { length, hosts } = this.#suffixes[i]!;
      if (length >= host.length) continue;
      const hit = hosts.get(host.slice(host.length - length));
      if (hit !== undefined) return hit;
    }
    for (let i = 0; i < this.#prefixes.length; i++) {
      const { length, hosts } = this.#prefixes[i]!;
      if (length >= host.length) continue;
      const hit = hosts.get(host.slice(0, length));
      if (hit !== undefined) return hit;
    }
    return undefined;
  }

  #addDomain(configured: string, host: VirtualHost): void {
    const domain = wireText(asciiLowerCase(configured));
    if (domain === '*') {
      if (this.#default !== null) {
        const message = `Only a single wildcard domain is permitted in route ${this.name}`;
        throw new ConfigError([{ path: `${host.place}.domains`, message }]);
      }
      this.#default = host;
      return;
    }
    let hosts = this.#exact;
    let key = domain;
    if (domain.startsWith('*')) {
      key = domain.slice(1);
      hosts = hostsOfLength(this.#suffixes, key.length);
    } else if (domain.endsWith('*')) {
      key = domain.slice(0, -1);
      hosts = hostsOfLength(this.#prefixes, key.length);
    }
    if (hosts.has(key)) {
      const message = `Only unique values for domains are permitted. Duplicate entry of domain ${configured} in route ${this.name}`;
      throw new ConfigError([{ path: `${host.place}.domains`, message }]);
    }
    hosts.set(key, host);
  }
}

function hostsOfLength(list: WildcardsOfLength[], length: number): Map<string, VirtualHost> {
  let found = list.find((entry) => entry.length === length);
  if (found === undefined) {
    found = { length, hosts: new Map() };
    list.push(found);
  }
  return found.hosts;
}
