// [m] Decodes the network filters of a chain (istio-contract §2.7; order rules as Envoy's).
import type { Filter } from '../../xds-protos/gen/envoy.config.listener.v3.ts';
import type { NetworkFilterConfig } from '../config/network-filter-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeHttpConnectionManager } from './http-connection-manager-decoder.ts';
import {
  INERT_NETWORK_FILTERS,
  REFUSED_NETWORK_FILTERS,
  inert,
  refuse,
} from './known-extensions.ts';
import { decodeConnectionFilter } from './connection-filter-decoder.ts';
import { rbacGuards, wasmGuards } from './rbac-verdict.ts';
import { decodeTcpProxy } from './tcp-proxy-decoder.ts';
import { typedConfigOf } from './typed-config.ts';
import type { TypedConfig } from './typed-config.ts';

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const TCP_PROXY = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
const RBAC = 'envoy.extensions.filters.network.rbac.v3.RBAC';
const WASM = 'envoy.extensions.filters.network.wasm.v3.Wasm';

const TERMINAL_KINDS: ReadonlySet<NetworkFilterConfig['kind']> = new Set([
  'http_connection_manager',
  'tcp_proxy',
  'echo',
  'direct_response',
]);

export function decodeNetworkFilters(
  readers: readonly FieldReader<Filter>[],
): readonly NetworkFilterConfig[] {
  const filters: NetworkFilterConfig[] = [];
  readers.forEach((reader, index) => {
    const filter = decodeFilter(reader);
    if (filter === undefined) return;
    filters.push(filter);
    checkTerminal(reader, filter, index === readers.length - 1);
  });
  return filters;
}

function checkTerminal(
  reader: FieldReader<Filter>,
  filter: NetworkFilterConfig,
  last: boolean,
): void {
  const terminal = TERMINAL_KINDS.has(filter.kind);
  if (terminal === last) return;
  const { name } = filter;
  reader.problem(
    '',
    terminal
      ? `Error: terminal filter named ${name} of type ${name} must be the last filter in a network filter chain.`
      : `Error: non-terminal filter named ${name} of type ${name} is the last filter in a network filter chain.`,
  );
}

function decodeFilter(reader: FieldReader<Filter>): NetworkFilterConfig | undefined {
  const name = reader.requiredString('name');
  const discovery = reader.child('config_discovery');
  if (discovery !== undefined) {
    // As with HTTP filters: what may guard and is not fetched must not be passed.
    const typeUrl = discovery.message.type_urls?.[0] ?? '';
    const why = `${name} comes by extension discovery (ECDS), which this version of Outrigger does not fetch: connections are refused`;
    return { name, ...refuse(typeUrl, name, why) };
  }
  const config = typedConfigOf(reader);
  return config && decodeSettings(config, name);
}

function decodeSettings(config: TypedConfig, name: string): NetworkFilterConfig | undefined {
  const { typeName, typeUrl } = config;
  switch (typeName) {
    case HCM: {
      const reader = config.as(HCM);
      return (
        reader && {
          kind: 'http_connection_manager',
          name,
          settings: decodeHttpConnectionManager(reader),
        }
      );
    }
    case TCP_PROXY: {
      const reader = config.as(TCP_PROXY);
      return reader && { kind: 'tcp_proxy', name, settings: decodeTcpProxy(reader) };
    }
    case RBAC: {
      const reader = config.as(RBAC);
      return (
        reader && { name, ...(rbacGuards(reader.message) ? refuse(typeUrl, name) : inert(typeUrl)) }
      );
    }
    case WASM: {
      const reader = config.as(WASM);
      return (
        reader && {
          name,
          ...(wasmGuards(reader.message.config) ? refuse(typeUrl, name) : inert(typeUrl)),
        }
      );
    }
    default: {
      const filter = decodeConnectionFilter(config, name);
      if (filter !== undefined) return filter;
      if (INERT_NETWORK_FILTERS.has(typeName)) return { name, ...inert(typeUrl) };
      if (REFUSED_NETWORK_FILTERS.has(typeName)) return { name, ...refuse(typeUrl, name) };
      config.unknown(name);
      return undefined;
    }
  }
}
