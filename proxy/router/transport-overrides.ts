// [w] What a request asks of the TLS to its upstream: SNI and names by its host (auto_sni, auto_san_validation), and what filters
// put into filter state, such as istio.alpn's protocols (envoy-behaviour §9.1; istio-contract §9.4).
import type { AutoTlsConfig, ClusterConfig } from '../config/cluster-config.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { headerName } from '../http/headers.ts';
import { parseIp } from '../network/address.ts';
import type { FilterState, FilterStateObject } from '../stream-info/filter-state.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { Host } from '../upstream/host.ts';
import { proxiedOverrides } from '../upstream/proxied-connection.ts';
import { transportSocketFor } from '../upstream/transport-socket-choice.ts';
import type { TransportOverrides } from '../upstream/upstream-transports.ts';
import { portStart } from './authority-port.ts';

export const APPLICATION_PROTOCOLS = 'envoy.network.application_protocols';
const SERVER_NAME = 'envoy.network.upstream_server_name';
const SUBJECT_ALT_NAMES = 'envoy.network.upstream_subject_alt_names';

/** Of requests that ask for protocols alone, as all do behind istio.alpn: one object for each list. */
const ofProtocols = new WeakMap<FilterStateObject, TransportOverrides>();

/** Null, at little cost, where there is no TLS to the host or the request has no wishes. */
export function transportOverridesOf(
  config: ClusterConfig,
  host: Host,
  headers: RequestHeaders,
  info: StreamInfo,
): TransportOverrides | null {
  const proxied =
    config.sendsProxyHeader === true || info.connection.upstreamSource !== undefined
      ? proxiedOverrides(info.connection, transportSocketFor(config, host).proxyProtocol)
      : null;
  const wishes = tlsOverridesOf(config, host, headers, info);
  if (proxied === null || wishes === null) return proxied ?? wishes;
  return { ...wishes, ...proxied, key: `${proxied.key} ${wishes.key}` };
}

function tlsOverridesOf(
  config: ClusterConfig,
  host: Host,
  headers: RequestHeaders,
  info: StreamInfo,
): TransportOverrides | null {
  const { filterState } = info;
  const { autoTls } = config.http;
  if (filterState === null && autoTls === undefined) return null;
  if (transportSocketFor(config, host).kind === 'raw_buffer') return null;
  const protocols = filterState?.get(APPLICATION_PROTOCOLS)?.list;
  const names = wishedNames(filterState, autoTls, headers);
  if (names === null) return protocols === undefined ? null : protocolsAlone(filterState!);
  const { serverName, subjectAltNames } = names;
  return {
    key: JSON.stringify([serverName, subjectAltNames, protocols]),
    serverName,
    subjectAltNames,
    applicationProtocols: protocols,
  };
}

function protocolsAlone(state: FilterState): TransportOverrides {
  const object = state.get(APPLICATION_PROTOCOLS)!;
  let overrides = ofProtocols.get(object);
  if (overrides === undefined) {
    const applicationProtocols = object.list!;
    overrides = { key: JSON.stringify(applicationProtocols), applicationProtocols };
    ofProtocols.set(object, overrides);
  }
  return overrides;
}

interface WishedNames {
  readonly serverName: string | undefined;
  readonly subjectAltNames: readonly string[] | undefined;
}

/** Filter state goes before the host's own. */
function wishedNames(
  state: FilterState | null,
  autoTls: AutoTlsConfig | undefined,
  headers: RequestHeaders,
): WishedNames | null {
  let serverName = state?.get(SERVER_NAME)?.text ?? undefined;
  let subjectAltNames = state?.get(SUBJECT_ALT_NAMES)?.list;
  if (autoTls !== undefined) {
    const { name, isIp } = hostOf(autoTls, headers);
    if (name !== '') {
      if (autoTls.sni && !isIp) serverName ??= name;
      if (autoTls.sanValidation) subjectAltNames ??= [name];
    }
  }
  if (serverName === undefined && subjectAltNames === undefined) return null;
  return { serverName, subjectAltNames };
}

/** Without port and brackets. */
function hostOf(
  { header }: AutoTlsConfig,
  headers: RequestHeaders,
): { readonly name: string; readonly isIp: boolean } {
  const named = header === '' ? undefined : headers.getAny(headerName(header));
  const authority = named === undefined || named === '' ? (headers.authority ?? '') : named;
  const port = portStart(authority);
  const host = port < 0 ? authority : authority.slice(0, port);
  const name = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
  return { name, isIp: parseIp(name) !== null };
}
