// [m] NameTable: the hosts of the mesh by every name a pod may call them by (istio-contract §6.10). Istio: pkg/dns/client.
//
// Nothing is spelled out ahead: a host is kept once by its name and once by `short.namespace`; a query is tried as it is, as one of
// Kubernetes' shorter forms, under wildcards, and then all of that again without the pod's search domain, which makes it an alias.
import { isIpv4, isIpv6 } from '../../proxy/base/ip-text.ts';
import type { NameTable_NameInfo } from '../../xds-protos/gen/istio.networking.nds.v1.ts';

export interface NameTablePlace {
  /** Of the pod. */
  readonly namespace: string;
  /** `svc.cluster.local`; '' where the pod has none. */
  readonly domain: string;
  /** First search domain of the pod, without dots at its ends; '' for none. */
  readonly searchDomain: string;
}

export interface KnownName {
  readonly v4: readonly string[];
  readonly v6: readonly string[];
  /** The name is an alias of this one. Without the last dot. */
  readonly alias: string | undefined;
}

type Host = Pick<KnownName, 'v4' | 'v6'>;

const KUBERNETES = 'Kubernetes';

/** An answer has no room for a zone. */
const isPlainIPv6 = (ip: string): boolean => isIpv6(ip) && !ip.includes('%');

export class NameTable {
  readonly #byName = new Map<string, Host>();
  /** Of Kubernetes' hosts: `short.namespace`. */
  readonly #byShortName = new Map<string, Host>();
  readonly #place: NameTablePlace;
  /** `.svc` of `svc.cluster.local`. */
  readonly #domainHead: string;
  #hasWildcards = false;

  constructor(hosts: ReadonlyMap<string, NameTable_NameInfo>, place: NameTablePlace) {
    this.#place = place;
    const [head] = place.domain.split('.', 1);
    this.#domainHead = head === undefined || head === '' ? '' : `.${head}`;
    for (const [name, info] of hosts) this.#add(name.toLowerCase(), info);
  }

  /** `name` in lower case, without the last dot. Undefined: not ours to answer. */
  find(name: string): KnownName | undefined {
    const direct = this.#findDirect(name);
    if (direct !== undefined) return { ...direct, alias: undefined };
    const suffix = `.${this.#place.searchDomain}`;
    if (suffix === '.' || !name.endsWith(suffix)) return undefined;
    const alias = name.slice(0, -suffix.length);
    const host = this.#findDirect(alias);
    return host && { ...host, alias };
  }

  #add(name: string, info: NameTable_NameInfo): void {
    const ips = info.ips ?? [];
    const host = { v4: ips.filter((ip) => isIpv4(ip)), v6: ips.filter(isPlainIPv6) };
    this.#byName.set(name, host);
    if (name.startsWith('*.')) this.#hasWildcards = true;
    for (const other of info.alt_hosts ?? []) {
      const plain = (other.endsWith('.') ? other.slice(0, -1) : other).toLowerCase();
      if (!this.#byName.has(plain)) this.#byName.set(plain, host);
    }
    if (info.registry === KUBERNETES && (info.shortname ?? '') !== '')
      this.#byShortName.set(`${info.shortname}.${info.namespace ?? ''}`.toLowerCase(), host);
  }

  #findDirect(name: string): Host | undefined {
    return this.#byName.get(name) ?? this.#findShort(name) ?? this.#findWildcard(name);
  }

  #findShort(name: string): Host | undefined {
    const { namespace } = this.#place;
    const head = this.#domainHead;
    const named = this.#byShortName.get(name);
    if (named !== undefined) return named;
    if (head !== '' && name.endsWith(head))
      return this.#byShortName.get(name.slice(0, -head.length));
    return this.#byShortName.get(`${name}.${namespace}`);
  }

  #findWildcard(name: string): Host | undefined {
    if (!this.#hasWildcards) return undefined;
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
      const host = this.#byName.get(`*${name.slice(dot)}`);
      if (host !== undefined) return host;
    }
    return undefined;
  }
}
