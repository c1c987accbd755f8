// [m] Compiles on main what workers will compile, and throws it away: a worker must never meet configuration it has to
// refuse (docs/architecture.md). What does not compile becomes part of the NACK, or ends the start.
import type { AccessLogConfig } from '../config/access-log-config.ts';
import { ConfigError } from '../config/config-error.ts';
import type { ExtensionConfig } from '../config/extension-config.ts';
import { inlineTables } from '../config/http-connection-manager-config.ts';
import type { HttpConnectionManagerConfig } from '../config/http-connection-manager-config.ts';
import type { HttpFilterConfig } from '../config/http-filter-config.ts';
import type { FilterChainConfig, ListenerConfig } from '../config/listener-config.ts';
import type { NetworkFilterConfig } from '../config/network-filter-config.ts';
import type { RouteConfig } from '../config/route-config.ts';
import { EMPTY_ENVIRONMENT } from '../access-log/format-environment.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type { Runtime } from '../base/runtime.ts';
import { trialCompile, trialCompilePerRoute } from '../filters/trial-compile.ts';
import { NO_ENVIRONMENT } from '../router/route-environment.ts';
import { CompiledRouteTable } from '../router/route-table.ts';

const accessLogger = lazyPart<typeof import('../access-log/access-logger.ts')>(
  'access-log/access-logger',
);
const accessLogFilter = lazyPart<typeof import('../access-log/access-log-filter.ts')>(
  'access-log/access-log-filter',
);
const earlyMutation = lazyPart<typeof import('../filters/network/early-mutation.ts')>(
  'filters/network/early-mutation',
);
const replyRewriter = lazyPart<typeof import('../filters/network/local-reply-rewriter.ts')>(
  'filters/network/local-reply-rewriter',
);
const sessionTlvs = lazyPart<typeof import('../filters/network/session-tlvs.ts')>(
  'filters/network/session-tlvs',
);
const tcpTunnel = lazyPart<typeof import('../filters/network/tcp-tunnel.ts')>(
  'filters/network/tcp-tunnel',
);

/** Undefined: it compiles. */
export function routeProblem(config: RouteConfig, runtime: Runtime): string | undefined {
  return problemOf(() => compileRoutes(config, runtime));
}

function compileRoutes(config: RouteConfig, runtime: Runtime): void {
  void new CompiledRouteTable(config, { ...NO_ENVIRONMENT, runtime });
  trialCompilePerRoute(config);
}

/** Undefined: it compiles. */
export function extensionProblem(
  { name, http, network }: ExtensionConfig,
  runtime: Runtime,
): string | undefined {
  return problemOf(() => {
    if (http !== undefined) compileHttpFilter({ name, settings: http });
    if (network !== undefined) compileNetworkFilter(network, '', runtime);
  });
}

/** Undefined: its route tables, HTTP filters and access log formats compile. */
export function listenerProblem(config: ListenerConfig, runtime: Runtime): string | undefined {
  const chains =
    config.defaultFilterChain === undefined
      ? config.filterChains
      : [...config.filterChains, config.defaultFilterChain];
  return problemOf(() => {
    compileLogs(config.accessLogs, 'access_log');
    for (const chain of chains) compileChain(chain, runtime);
  });
}

function compileChain(chain: FilterChainConfig, runtime: Runtime): void {
  for (const filter of chain.networkFilters) compileNetworkFilter(filter, chain.name, runtime);
}

function compileNetworkFilter(
  filter: NetworkFilterConfig,
  chainName: string,
  runtime: Runtime,
): void {
  if (filter.kind === 'tcp_proxy') {
    compileLogs(filter.settings.accessLogs, `filter chain '${chainName}': access_log`);
    const { tunneling, proxyProtocolTlvs: tlvs } = filter.settings;
    if (tunneling !== undefined) void new (tcpTunnel().TunnelRequests)(tunneling);
    if (tlvs !== undefined) void new (sessionTlvs().SessionTlvs)(tlvs, EMPTY_ENVIRONMENT);
  } else if (filter.kind === 'http_connection_manager')
    compileConnManager(filter.settings, chainName, runtime);
  else if (filter.kind === 'connection_filter_state')
    compileAt(`network filter '${filter.name}'`, () => trialCompile(filter.settings));
  else if (filter.kind === 'discovered' && filter.fallback !== undefined)
    compileNetworkFilter(filter.fallback, chainName, runtime);
}

function compileHttpFilter({ name, settings }: Pick<HttpFilterConfig, 'name' | 'settings'>): void {
  if (settings.kind !== 'discovered')
    compileAt(`http filter '${name}'`, () => trialCompile(settings));
  else if (settings.fallback !== undefined)
    compileHttpFilter({ name, settings: settings.fallback });
}

function compileConnManager(
  config: HttpConnectionManagerConfig,
  chainName: string,
  runtime: Runtime,
): void {
  for (const table of inlineTables(config)) compileRoutes(table, runtime);
  for (const filter of config.httpFilters) compileHttpFilter(filter);
  compileLogs(config.accessLogs, `filter chain '${chainName}': access_log`);
  for (const { settings } of config.httpFilters)
    if (settings.kind === 'router' && settings.upstreamLogs !== undefined)
      compileLogs(settings.upstreamLogs, `filter chain '${chainName}': router: upstream_log`);
  if (config.earlyHeaderMutations.length > 0) {
    const { EarlyMutation } = earlyMutation();
    void new EarlyMutation(config.earlyHeaderMutations, { ...NO_ENVIRONMENT, runtime });
  }
  if (config.localReply !== undefined)
    void new (replyRewriter().ConfiguredReplyRewriter)(config.localReply, {
      routes: { ...NO_ENVIRONMENT, runtime },
      filters: accessLogFilter().NO_FILTER_ENVIRONMENT,
    });
}

function compileLogs(logs: readonly AccessLogConfig[], path: string): void {
  for (const [index, { sink, filter }] of logs.entries()) {
    compileAt(`${path}[${index}].filter`, () => {
      if (filter === undefined) return;
      const { NO_FILTER_ENVIRONMENT, compileAccessLogFilter } = accessLogFilter();
      compileAccessLogFilter(filter, NO_FILTER_ENVIRONMENT);
    });
    compileAt(`${path}[${index}].log_format`, () => {
      if (sink.kind !== 'inert' && sink.kind !== 'grpc')
        accessLogger().compileAccessLogFormat(sink.format, EMPTY_ENVIRONMENT);
    });
  }
}

function compileAt(path: string, compile: () => void): void {
  try {
    compile();
  } catch (error) {
    throw new ConfigError([{ path, message: (error as Error).message }]);
  }
}

function problemOf(compile: () => unknown): string | undefined {
  try {
    compile();
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}
