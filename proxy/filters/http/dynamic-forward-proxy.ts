// [w] envoy.filters.http.dynamic_forward_proxy: holds a request for a dynamic forward proxy cluster until the DNS cache knows its host
// (envoy-behaviour §7.1). Requests for other clusters pass.
import type { DnsCacheConfig, ForwardHostConfig } from '../../config/dns-cache-config.ts';
import type {
  ForwardProxyFilterConfig,
  ForwardProxyRouteConfig,
} from '../../config/http-filter-config.ts';
import type { RequestHeaders } from '../../http/header-map.ts';
import { headerName } from '../../http/headers.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type {
  FilterCallbacks,
  HttpFilter,
  HttpFilterFactory,
  LocalReply,
} from '../../http/http-filter.ts';
import { RouteEntry } from '../../router/route-entry.ts';
import { ResponseFlag } from '../../stream-info/response-flags.ts';
import type { ForwardHosts, ForwardHostWaiter } from '../../upstream/forward-hosts.ts';
import { withPort } from '../../upstream/forward-proxy-balancer.ts';
import type { FilterFactoryContext } from '../factory-context.ts';

const reply = (body: string, details: string, flag: ResponseFlag | undefined): LocalReply => ({
  status: 503,
  body,
  details,
  flag,
  grpcStatus: undefined,
  modifyHeaders: undefined,
});

const OVERFLOW = reply('DNS cache overflow', 'dns_cache_overflow', undefined);
const PENDING_OVERFLOW = reply(
  'Dynamic forward proxy pending request overflow',
  'dynamic_forward_proxy_pending_request_overflow',
  undefined,
);
const failed = (details: string): LocalReply =>
  reply('DNS resolution failure', details, ResponseFlag.DnsResolutionFailed);

class DynamicForwardProxyFilter extends PassThroughFilter implements ForwardHostWaiter {
  readonly #hosts: ForwardHosts;
  readonly #cache: DnsCacheConfig;
  readonly #defaultPort: number;
  readonly #onPendingOverflow: () => void;
  readonly #route: ForwardProxyRouteConfig | undefined;
  readonly #callbacks: FilterCallbacks;
  /** '' while the request does not wait. */
  #awaited = '';

  constructor(
    parts: {
      readonly hosts: ForwardHosts;
      readonly cache: DnsCacheConfig;
      readonly defaultPort: number;
      readonly onPendingOverflow: () => void;
    },
    route: ForwardProxyRouteConfig | undefined,
    callbacks: FilterCallbacks,
  ) {
    super();
    this.#hosts = parts.hosts;
    this.#cache = parts.cache;
    this.#defaultPort = parts.defaultPort;
    this.#onPendingOverflow = parts.onPendingOverflow;
    this.#route = route;
    this.#callbacks = callbacks;
  }

  override decodeHeaders(headers: RequestHeaders): FilterStatus {
    this.#rewriteHost(headers);
    const key = withPort(headers.authority ?? '', this.#defaultPort);
    if (key === null) {
      this.#callbacks.sendLocalReply(failed('dns_resolution_failure{no_host}'));
      return FilterStatus.StopIteration;
    }
    const known = this.#hosts.resolve(this.#cache, key, this);
    if (known === null) {
      this.#awaited = key;
      return FilterStatus.StopIteration;
    }
    if (known === undefined) this.#onPendingOverflow();
    const refusal = known === undefined ? PENDING_OVERFLOW : refusalOf(known);
    if (refusal === null) return FilterStatus.Continue;
    this.#callbacks.sendLocalReply(refusal);
    return FilterStatus.StopIteration;
  }

  onForwardHost(host: ForwardHostConfig): void {
    this.#awaited = '';
    const refusal = refusalOf(host);
    if (refusal === null) this.#callbacks.continueDecoding();
    else this.#callbacks.sendLocalReply(refusal);
  }

  override onDestroy(): void {
    if (this.#awaited !== '') this.#hosts.cancel(this.#cache.name, this.#awaited, this);
  }

  #rewriteHost(headers: RequestHeaders): void {
    if (this.#route === undefined) return;
    const { hostRewriteLiteral, hostRewriteHeader } = this.#route;
    const host =
      hostRewriteLiteral ??
      (hostRewriteHeader === undefined ? undefined : headers.getAny(headerName(hostRewriteHeader)));
    if (host !== undefined && host !== '') headers.authority = host;
  }
}

/** Null: it has addresses. */
function refusalOf(host: ForwardHostConfig): LocalReply | null {
  if (host.overflow) return OVERFLOW;
  return host.addresses.length > 0 ? null : failed(host.failure);
}

export class DynamicForwardProxyFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #config: ForwardProxyFilterConfig;
  readonly #context: FilterFactoryContext;
  readonly #onPendingOverflow: () => void;

  constructor(name: string, config: ForwardProxyFilterConfig, context: FilterFactoryContext) {
    this.name = name;
    this.#config = config;
    this.#context = context;
    const { stats } = context;
    const overflow = `dns_cache.${config.cache.name}.dns_rq_pending_overflow`;
    this.#onPendingOverflow = () => stats.inc(stats.counter(overflow));
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter | null {
    const { route } = callbacks;
    const { clusters, forwardHosts: hosts } = this.#context;
    if (hosts === undefined || !(route instanceof RouteEntry) || route.action === null) return null;
    const cluster = clusters.get(route.clusterName);
    if (cluster?.config.forwardProxy === undefined) return null;
    const settings = route.filterSettings(this.name);
    const defaultPort = cluster.config.transportSocket.kind === 'tls' ? 443 : 80;
    return new DynamicForwardProxyFilter(
      { hosts, cache: this.#config.cache, defaultPort, onPendingOverflow: this.#onPendingOverflow },
      settings?.kind === 'dynamic_forward_proxy_route' ? settings : undefined,
      callbacks,
    );
  }
}
