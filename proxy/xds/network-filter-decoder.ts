// [m] Decodes the network filters of a chain (istio-contract §2.7; order rules as Envoy's).
import type { Filter } from '../../xds-protos/gen/envoy.config.listener.v3.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type { NetworkFilterConfig } from '../config/network-filter-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeFilterDiscovery, misplaced } from './filter-discovery-decoder.ts';
import type { FilterKind } from './filter-discovery-decoder.ts';
import { decodeHttpConnectionManager } from './http-connection-manager-decoder.ts';
import {
  INERT_NETWORK_FILTERS,
  REFUSED_NETWORK_FILTERS,
  inert,
  unenforced,
} from './known-extensions.ts';
import { CONNECTION_FILTERS } from './connection-filter-types.ts';
import { rbacGuards, wasmGuards } from './rbac-verdict.ts';
import { decodeTcpProxy } from './tcp-proxy-decoder.ts';
import { typedConfigOf } from './typed-config.ts';
import type { TypedConfig } from './typed-config.ts';

const connectionFilter = lazyPart<typeof import('./connection-filter-decoder.ts')>(
  'xds/connection-filter-decoder',
);

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const TCP_PROXY = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
const RBAC = 'envoy.extensions.filters.network.rbac.v3.RBAC';
const WASM = 'envoy.extensions.filters.network.wasm.v3.Wasm';

const BUILT_HERE: ReadonlySet<string> = new Set([HCM, TCP_PROXY, RBAC, WASM]);

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
    const place = { name: reader.requiredString('name'), last: index === readers.length - 1 };
    const filter = decodeFilter(reader, place);
    if (filter === undefined) return;
    filters.push(filter);
    // Of what is discovered Envoy looks at nothing before it comes.
    const problem =
      filter.kind === 'discovered' ? undefined : misplaced(place, isTerminal(filter), 'network');
    if (problem !== undefined) reader.problem('', problem);
  });
  return filters;
}

const isTerminal = ({ kind }: NetworkFilterConfig): boolean => TERMINAL_KINDS.has(kind);

function decodeFilter(
  reader: FieldReader<Filter>,
  place: { readonly name: string; readonly last: boolean },
): NetworkFilterConfig | undefined {
  const { name } = place;
  const discovery = reader.child('config_discovery');
  if (discovery !== undefined) {
    const discovered = decodeFilterDiscovery(discovery, place, NETWORK_FILTERS);
    return discovered && { ...discovered, name };
  }
  const config = typedConfigOf(reader);
  return config && decodeSettings(config, name);
}

export const NETWORK_FILTERS = {
  knows: (typeName) =>
    BUILT_HERE.has(typeName) ||
    CONNECTION_FILTERS.has(typeName) ||
    INERT_NETWORK_FILTERS.has(typeName) ||
    REFUSED_NETWORK_FILTERS.has(typeName),
  decode: decodeSettings,
  isTerminal,
} satisfies FilterKind<NetworkFilterConfig>;

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
        reader && {
          name,
          ...(rbacGuards(reader.message) ? unenforced(config, name) : inert(typeUrl)),
        }
      );
    }
    case WASM: {
      const reader = config.as(WASM);
      return (
        reader && {
          name,
          ...(wasmGuards(reader.message.config) ? unenforced(config, name) : inert(typeUrl)),
        }
      );
    }
    default: {
      if (CONNECTION_FILTERS.has(typeName))
        return connectionFilter().decodeConnectionFilter(config, name);
      if (INERT_NETWORK_FILTERS.has(typeName)) return { name, ...inert(typeUrl) };
      if (REFUSED_NETWORK_FILTERS.has(typeName)) return { name, ...unenforced(config, name) };
      config.unknown(name);
      return undefined;
    }
  }
}
