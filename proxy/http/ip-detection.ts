// [w] original_ip_detection_extensions: each looks for the client's address in its own place (envoy-behaviour §1.4).
import type { IpDetectionConfig } from '../config/ip-detection-config.ts';
import { Cidr, parseIp } from '../network/address.ts';
import { addressFromRight, isSingle, untrustedFromRight } from './forwarded-for.ts';
import { H, headerName } from './headers.ts';
import type { RequestHeaders } from './header-map.ts';

export interface DetectedIp {
  /** Null: not here. */
  readonly ip: string | null;
  /** The request may count as internal. */
  readonly trusted: boolean;
  /** The peer is added to X-Forwarded-For. */
  readonly append: boolean;
  /** Status of the refusal; 0: none. */
  readonly rejectStatus: number;
}

export type IpDetector = (headers: RequestHeaders, peerIp: string) => DetectedIp;

const NOT_A_PROXY: DetectedIp = { ip: null, trusted: false, append: true, rejectStatus: 0 };

export function compileIpDetector(config: IpDetectionConfig): IpDetector {
  if (config.kind === 'custom_header') return customHeader(config);
  const append = !config.skipAppend;
  if (config.trustedCidrs !== undefined) {
    const ranges = config.trustedCidrs.map((cidr) => new Cidr(cidr.address, cidr.prefixLength));
    return (headers, peerIp) => byRanges(headers, peerIp, ranges, append);
  }
  const hops = config.trustedHops;
  return (headers) => {
    const list = headers.get(H.xForwardedFor);
    const ip = addressFromRight(list, hops + 1);
    const trusted = ip !== null && hops === 0 && isSingle(list!);
    return { ip, trusted, append, rejectStatus: 0 };
  };
}

function byRanges(
  headers: RequestHeaders,
  peerIp: string,
  ranges: readonly Cidr[],
  append: boolean,
): DetectedIp {
  const peer = parseIp(peerIp);
  if (peer === null || !ranges.some((range) => range.contains(peer))) return NOT_A_PROXY;
  const list = headers.get(H.xForwardedFor);
  const ip = untrustedFromRight(list, ranges);
  return { ip, trusted: ip !== null && isSingle(list!), append, rejectStatus: 0 };
}

function customHeader(
  config: Extract<IpDetectionConfig, { readonly kind: 'custom_header' }>,
): IpDetector {
  const name = headerName(config.header);
  const { trusted } = config;
  const notFound: DetectedIp = {
    ip: null,
    trusted: false,
    append: false,
    rejectStatus: config.rejectStatus ?? 0,
  };
  return (headers) => {
    const text = headers.get(name);
    if (text === undefined || parseIp(text) === null) return notFound;
    return { ip: text, trusted, append: false, rejectStatus: 0 };
  };
}
