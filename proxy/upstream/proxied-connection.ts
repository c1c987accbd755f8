// [w] What a downstream connection asks of the connections that are made for it: a header that names its addresses (PROXY
// protocol), its own address as their source (original_src).
import type { PassedTlvs, UpstreamProxyProtocolConfig } from '../config/proxy-protocol-config.ts';
import { printProxyHeader } from '../network/proxy-header.ts';
import type { ProxyHeader, Tlv } from '../stream-info/proxy-facts.ts';
import type { DownstreamConnectionInfo } from '../stream-info/stream-info.ts';
import type { TransportOverrides } from './upstream-transports.ts';

/** Of a connection that no client is behind: health checks, requests of filters. */
export const ownHeader = ({ version }: UpstreamProxyProtocolConfig): string =>
  printProxyHeader({ version, source: null, destination: null, tlvs: [] });

/** Null: nothing. `added`: TLVs of the session, where it has any. */
export function proxiedOverrides(
  info: DownstreamConnectionInfo,
  config: UpstreamProxyProtocolConfig | undefined,
  added: readonly Tlv[] = NO_TLVS,
): TransportOverrides | null {
  const source = info.upstreamSource;
  if (config === undefined && source === undefined) return null;
  const proxyHeader = config && proxyHeaderFor(info, config, added);
  return {
    key: `${source?.ip ?? ''} ${source?.mark ?? 0} ${proxyHeader ?? ''}`,
    proxyHeader,
    source,
  };
}

const NO_TLVS: readonly Tlv[] = [];

/** The bytes, latin1. */
export const proxyHeaderFor = (
  info: DownstreamConnectionInfo,
  config: UpstreamProxyProtocolConfig,
  added: readonly Tlv[] = NO_TLVS,
): string => printProxyHeader(headerOf(info, config, added));

function headerOf(
  info: DownstreamConnectionInfo,
  { version, passThroughTlvs, addedTlvs }: UpstreamProxyProtocolConfig,
  added: readonly Tlv[],
): ProxyHeader {
  const known = info.proxyHeader;
  const configured = addedTlvs.flatMap((tlv) => ('value' in tlv ? [tlv] : []));
  // The cluster's own say goes before what was passed on.
  const own = new Set(configured.map(({ type }) => type));
  const passed = [...(known?.tlvs ?? []), ...added].filter(
    ({ type }) => passes(passThroughTlvs, type) && !own.has(type),
  );
  return {
    version,
    source: { ip: info.directRemoteIp, port: portOf(info.directRemoteAddress) },
    destination: { ip: info.localIp, port: info.localPort },
    tlvs: [...configured, ...passed],
  };
}

const passes = (config: PassedTlvs | undefined, type: number): boolean =>
  config !== undefined && (config === 'all' || config.includes(type));

const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1));
