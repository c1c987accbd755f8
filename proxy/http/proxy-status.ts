// [w] The Proxy-Status header (RFC 9209) on replies the proxy makes itself: which error a response flag tells of, and the
// status RFC 9209 recommends for it (`proxy_status_config`).
import type { ProxyStatusConfig } from '../config/http-connection-manager-config.ts';
import { ResponseFlag } from '../stream-info/response-flags.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import { headerName } from './headers.ts';
import type { ResponseHeaders } from './header-map.ts';

const PROXY_STATUS = headerName('proxy-status');

/** In the order they are looked for. A breach of protocol by the client is not among them: its flag comes too late. */
const ERRORS: readonly (readonly [flag: ResponseFlag, error: string])[] = [
  [ResponseFlag.FailedLocalHealthCheck, 'destination_unavailable'],
  [ResponseFlag.NoHealthyUpstream, 'destination_unavailable'],
  [ResponseFlag.UpstreamRequestTimeout, 'http_response_timeout'],
  [ResponseFlag.LocalReset, 'connection_timeout'],
  [ResponseFlag.UpstreamRemoteReset, 'connection_terminated'],
  [ResponseFlag.UpstreamConnectionFailure, 'connection_refused'],
  [ResponseFlag.UpstreamConnectionTermination, 'connection_terminated'],
  [ResponseFlag.UpstreamOverflow, 'connection_limit_reached'],
  [ResponseFlag.NoRouteFound, 'destination_not_found'],
  [ResponseFlag.RateLimited, 'connection_limit_reached'],
  [ResponseFlag.RateLimitServiceError, 'connection_limit_reached'],
  [ResponseFlag.UpstreamRetryLimitExceeded, 'destination_unavailable'],
  [ResponseFlag.StreamIdleTimeout, 'http_response_timeout'],
  [ResponseFlag.InvalidEnvoyRequestHeaders, 'http_request_error'],
  [ResponseFlag.UpstreamMaxStreamDurationReached, 'http_response_timeout'],
  [ResponseFlag.NoFilterConfigFound, 'proxy_configuration_error'],
  [ResponseFlag.UpstreamProtocolError, 'http_protocol_error'],
  [ResponseFlag.NoClusterFound, 'destination_unavailable'],
  [ResponseFlag.DnsResolutionFailed, 'dns_error'],
];

/** RFC 9209 §2.3; an error without a row has no status of its own. */
const RECOMMENDED = new Map<string, number>([
  ['destination_unavailable', 503],
  ['http_response_timeout', 504],
  ['connection_timeout', 504],
  ['connection_terminated', 502],
  ['connection_refused', 502],
  ['connection_limit_reached', 503],
  ['destination_not_found', 500],
  ['proxy_configuration_error', 500],
  ['http_protocol_error', 502],
  ['dns_error', 502],
]);

const ESCAPED = new Map([
  ['\r', '\\r'],
  ['\n', '\\n'],
  ['\t', '\\t'],
  ['\v', '\\v'],
  ['\0', '\\0'],
  ['"', '\\"'],
  ["'", "\\'"],
  ['\\', '\\\\'],
]);

const escape = (text: string): string =>
  text.replace(/[\r\n\t\v\0"'\\]/g, (character) => ESCAPED.get(character) ?? character);

export class ProxyStatus {
  readonly #config: ProxyStatusConfig;
  readonly #proxyName: string;

  /** `names`: what the proxy may be called by. */
  constructor(
    config: ProxyStatusConfig,
    names: { readonly server: string; readonly node: string },
  ) {
    this.#config = config;
    if (config.literalProxyName !== undefined) this.#proxyName = config.literalProxyName;
    else this.#proxyName = config.useNodeId ? names.node : names.server;
  }

  /** Says in the headers of a response what went wrong with it, if something did. May change its status. */
  apply(headers: ResponseHeaders, info: StreamInfo): void {
    if (info.flags === '-') return;
    const error = ERRORS.find(([flag]) => info.hasFlag(flag))?.[1];
    if (error === undefined) return;
    const value = `${this.#proxyName}; error=${error}${this.#details(info)}`;
    const present = headers.get(PROXY_STATUS);
    headers.set(PROXY_STATUS, present === undefined ? value : `${present}, ${value}`);
    if (this.#config.setRecommendedResponseCode)
      headers.status = RECOMMENDED.get(error) ?? headers.status;
  }

  #details(info: StreamInfo): string {
    const config = this.#config;
    if (config.removeDetails || info.responseCodeDetails === '') return '';
    const parts = [info.responseCodeDetails];
    if (!config.removeConnectionTerminationDetails && info.connectionTerminationDetails !== '')
      parts.push(info.connectionTerminationDetails);
    if (!config.removeResponseFlags) parts.push(info.flags);
    return `; details="${escape(parts.join('; '))}"`;
  }
}
