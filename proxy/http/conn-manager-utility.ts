// [w] Request header mutation on the way in: hop-by-hop fields, client address, X-Forwarded-*, internal or external,
// request id (envoy-behaviour §1.3, §1.4, §1.6, §1.7). Response fields on the way out (§1.8).
import { randomUuid } from '../base/uuid.ts';
import type { HttpConnectionManagerConfig } from '../config/http-connection-manager-config.ts';
import { Cidr, isLoopbackIp, parseIp, printAddress } from '../network/address.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import { ClientCertHeader } from './client-cert-header.ts';
import { addressFromRight, isSingle } from './forwarded-for.ts';
import { hasToken } from './http1/framing.ts';
import { H, headerName } from './headers.ts';
import type { HeaderName } from './headers.ts';
import type { RequestHeaders, ResponseHeaders } from './header-map.ts';
import { compileIpDetector } from './ip-detection.ts';
import type { IpDetector } from './ip-detection.ts';
import { isValidReferer } from './referer.ts';
import { withoutReason } from './request-id-reason.ts';

/** Removed from every external request. */
const EXTERNAL_STRIPPED: readonly HeaderName[] = [
  H.xEnvoyRetriableStatusCodes,
  H.xEnvoyRetriableHeaderNames,
  H.xEnvoyRetryOn,
  H.xEnvoyRetryGrpcOn,
  H.xEnvoyMaxRetries,
  H.xEnvoyUpstreamAltStatName,
  H.xEnvoyUpstreamRqTimeoutMs,
  H.xEnvoyUpstreamRqPerTryTimeoutMs,
  H.xEnvoyUpstreamRqTimeoutAltResponse,
  H.xEnvoyExpectedRqTimeoutMs,
  H.xEnvoyForceTrace,
  H.xEnvoyIpTags,
  H.xEnvoyOriginalUrl,
  H.xEnvoyHedgeOnPerTryTimeout,
  H.xEnvoyUpstreamStreamDurationMs,
];

/** And from edge requests (external, with use_remote_address). */
const EDGE_STRIPPED: readonly HeaderName[] = [
  H.xEnvoyDecoratorOperation,
  H.xEnvoyDownstreamServiceCluster,
  H.xEnvoyDownstreamServiceNode,
  H.xEnvoyOriginalPath,
  H.xEnvoyOriginalHost,
];

/** The client's address may make the request internal. */
const TRUSTED = 1;

/** Headers changed before anything else looks at them (`early_header_mutation_extensions`). */
export interface EarlyHeaderMutation {
  mutate(headers: RequestHeaders, info: StreamInfo): void;
}

/** What all streams of one connection manager share; made once per update. */
export class RequestMutator {
  readonly #config: HttpConnectionManagerConfig;
  readonly #localNodeIp: string;
  readonly #serviceCluster: string;
  readonly #serviceNode: string;
  readonly #internalRanges: readonly Cidr[] | null;
  readonly #detectors: readonly IpDetector[];
  readonly #early: EarlyHeaderMutation | null;
  readonly #clientCert: ClientCertHeader;

  constructor(
    config: HttpConnectionManagerConfig,
    node: { readonly ip: string; readonly cluster: string; readonly id: string },
    early: EarlyHeaderMutation | null,
  ) {
    this.#config = config;
    this.#early = early;
    this.#clientCert = new ClientCertHeader(config);
    this.#detectors = config.originalIpDetection.map(compileIpDetector);
    this.#localNodeIp = node.ip;
    this.#serviceCluster = node.cluster;
    this.#serviceNode = node.id;
    this.#internalRanges =
      config.internalAddresses === undefined
        ? null
        : config.internalAddresses.cidrs.map(
            (range) => new Cidr(range.address, range.prefixLength),
          );
  }

  /**
   * In Envoy's order. `upgrade`: the request asks for one and keeps its Connection and Upgrade fields. Gives the status
   * of a refusal, 0 for none.
   */
  mutate(headers: RequestHeaders, info: StreamInfo, upgrade: boolean): number {
    const config = this.#config;
    if (this.#early !== null) this.#early.mutate(headers, info);
    this.#removeHops(headers, upgrade);
    const address =
      this.#detectors.length === 0
        ? this.#clientAddress(headers, info)
        : this.#detectAddress(headers, info);
    if (address > TRUSTED) return address;
    this.#forwardedProto(headers, info);
    const internal = address === TRUSTED && this.#isInternal(info.remoteIp);
    const edge = !internal && config.useRemoteAddress;
    if (internal) headers.set(H.xEnvoyInternal, 'true');
    else this.#stripExternal(headers, edge);
    if (config.addUserAgent) this.#userAgent(headers);
    if (config.via !== '') headers.append(H.via, config.via, ', ');
    if (edge && info.remoteIp !== '') headers.set(H.xEnvoyExternalAddress, info.remoteIp);
    if (config.generateRequestId) this.#requestId(headers, edge);
    this.#clientCert.apply(headers, info.connection.tlsFacts);
    return 0;
  }

  #removeHops(headers: RequestHeaders, upgrade: boolean): void {
    if (!upgrade) {
      headers.remove(H.connection);
      headers.remove(H.upgrade);
      this.#sanitizeTe(headers);
    }
    headers.remove(H.xEnvoyInternal);
    headers.remove(H.keepAlive);
    headers.remove(H.proxyConnection);
    headers.remove(H.transferEncoding);
    if (headers.has(H.referer) && !isValidReferer(headers.get(H.referer)!))
      headers.remove(H.referer);
  }

  #sanitizeTe(headers: RequestHeaders): void {
    const te = headers.get(H.te);
    if (te === undefined) return;
    if (hasToken(te, 'trailers')) headers.set(H.te, 'trailers');
    else headers.remove(H.te);
  }

  /** Whether the address may count as internal at all: TRUSTED or not. */
  #clientAddress(headers: RequestHeaders, info: StreamInfo): number {
    const config = this.#config;
    const forwarded = headers.get(H.xForwardedFor);
    const hops = config.xffNumTrustedHops;
    if (config.useRemoteAddress) {
      const wanted = hops === 0 ? null : addressFromRight(forwarded, hops);
      if (wanted !== null) setRemote(info, wanted);
      if (!config.skipXffAppend) this.#appendPeer(headers, info);
      return forwarded === undefined ? TRUSTED : 0;
    }
    const wanted = addressFromRight(forwarded, hops + 1);
    if (wanted === null) return 0;
    setRemote(info, wanted);
    return hops === 0 && isSingle(forwarded!) ? TRUSTED : 0;
  }

  /** The same by extensions; or the status of a refusal. */
  #detectAddress(headers: RequestHeaders, info: StreamInfo): number {
    let append = false;
    let trusted = false;
    for (const detect of this.#detectors) {
      const found = detect(headers, info.connection.directRemoteIp);
      if (found.rejectStatus > 0) return found.rejectStatus;
      append ||= found.append;
      if (found.ip === null) continue;
      setRemote(info, found.ip);
      ({ trusted } = found);
      break;
    }
    if (append) this.#appendPeer(headers, info);
    return trusted ? TRUSTED : 0;
  }

  #appendPeer(headers: RequestHeaders, info: StreamInfo): void {
    const peer = info.connection.directRemoteIp;
    if (peer === '') return;
    headers.append(H.xForwardedFor, isLoopbackIp(peer) ? this.#localNodeIp : peer);
  }

  #forwardedProto(headers: RequestHeaders, info: StreamInfo): void {
    const config = this.#config;
    const byTls = info.connection.tls ? 'https' : 'http';
    const trusted = config.useRemoteAddress && config.xffNumTrustedHops === 0;
    if (trusted) headers.set(H.xForwardedProto, byTls);
    else headers.setIfAbsent(H.xForwardedProto, byTls);
    if (config.appendXForwardedPort && (trusted || !headers.has(H.xForwardedPort))) {
      headers.set(H.xForwardedPort, String(info.connection.localPort));
    }
    if (config.schemeToOverwrite !== undefined) {
      headers.scheme = config.schemeToOverwrite;
      headers.set(H.xForwardedProto, config.schemeToOverwrite);
      return;
    }
    if (headers.scheme !== '') return;
    const proto = headers.get(H.xForwardedProto);
    headers.scheme = proto === 'http' || proto === 'https' ? proto : lowerScheme(proto, byTls);
  }

  #isInternal(ip: string): boolean {
    if (this.#internalRanges === null) return false;
    const bytes = parseIp(ip);
    if (bytes === null) return this.#config.internalAddresses?.unixSockets === true && ip === '';
    return this.#internalRanges.some((range) => range.contains(bytes));
  }

  #stripExternal(headers: RequestHeaders, edge: boolean): void {
    for (let i = 0; i < EXTERNAL_STRIPPED.length; i++) headers.remove(EXTERNAL_STRIPPED[i]!);
    if (!edge) return;
    for (let i = 0; i < EDGE_STRIPPED.length; i++) headers.remove(EDGE_STRIPPED[i]!);
  }

  #userAgent(headers: RequestHeaders): void {
    headers.set(H.xEnvoyDownstreamServiceCluster, this.#serviceCluster);
    const agent = headers.get(H.userAgent);
    if (agent === undefined || agent === '') headers.set(H.userAgent, this.#serviceCluster);
    if (this.#serviceNode !== '') headers.set(H.xEnvoyDownstreamServiceNode, this.#serviceNode);
  }

  #requestId(headers: RequestHeaders, edge: boolean): void {
    const present = headers.get(H.xRequestId);
    if (present === undefined || present === '') headers.set(H.xRequestId, randomUuid());
    else if (!edge) return;
    else if (!this.#config.preserveExternalRequestId) headers.set(H.xRequestId, randomUuid());
    // An id from outside must not bring a tracing decision with it.
    else if (this.#config.packTraceReason) headers.set(H.xRequestId, withoutReason(present));
  }
}

function lowerScheme(proto: string | undefined, fallback: string): string {
  const lower = proto === undefined ? '' : proto.toLowerCase();
  return lower === 'http' || lower === 'https' ? lower : fallback;
}

function setRemote(info: StreamInfo, ip: string): void {
  info.remoteIp = ip;
  info.remoteAddress = printAddress(ip, 0);
}

/** Port of an authority with its digits cut off; the authority itself when there is none. */
export function stripPort(authority: string, onlyPort: number | null): string {
  const colon = authority.lastIndexOf(':');
  if (colon < 0 || authority.indexOf(']', colon) >= 0) return authority;
  const port = portNumber(authority, colon + 1);
  if (port < 0 || (onlyPort !== null && port !== onlyPort)) return authority;
  return authority.slice(0, colon);
}

/** What Envoy reads as a port: digits, a plus before them, 32 bits; -1 for anything else. */
function portNumber(authority: string, start: number): number {
  const first = authority[start] === '+' ? start + 1 : start;
  if (first === authority.length) return -1;
  let port = 0;
  for (let i = first; i < authority.length; i++) {
    const digit = authority.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    port = port * 10 + digit;
    if (port > 0xffff_ffff) return -1;
  }
  return port;
}

export function stripTrailingDot(authority: string): string {
  if (authority.endsWith('.')) return authority.slice(0, -1);
  const colon = authority.lastIndexOf(':');
  return colon > 0 && authority[colon - 1] === '.'
    ? authority.slice(0, colon - 1) + authority.slice(colon)
    : authority;
}

/** envoy-behaviour §1.8, steps 1 to 4, of a response on its way to the client. */
// oxlint-disable-next-line eslint/max-params -- once a response; an object to hold them would be garbage
export function mutateResponse(
  headers: ResponseHeaders,
  request: RequestHeaders,
  config: HttpConnectionManagerConfig,
  date: string,
  upgrade: boolean,
): void {
  headers.setIfAbsent(H.date, date);
  if (config.serverHeaderTransformation === 'OVERWRITE') headers.set(H.server, config.serverName);
  else if (config.serverHeaderTransformation === 'APPEND_IF_ABSENT')
    headers.setIfAbsent(H.server, config.serverName);
  if (!upgrade) {
    headers.remove(H.connection);
    headers.remove(H.upgrade);
  }
  headers.remove(H.transferEncoding);
  headers.remove(H.keepAlive);
  headers.remove(H.proxyConnection);
  if (config.alwaysSetRequestIdInResponse || request.has(H.xEnvoyForceTrace)) {
    const id = request.get(H.xRequestId);
    if (id !== undefined) headers.set(H.xRequestId, id);
  }
  if (config.via !== '') headers.append(H.via, config.via, ', ');
}

/** `internal_only_headers` of the route configuration. */
export function stripInternalOnly(headers: RequestHeaders, names: readonly string[]): void {
  for (const name of names) headers.remove(headerName(name));
}
