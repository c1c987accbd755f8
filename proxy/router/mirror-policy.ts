// [b] MirrorPolicy: who gets a copy of which requests, and what is changed in it (envoy-behaviour §3.7).
import type { Fraction } from '../base/runtime.ts';
import type { RequestMirrorConfig } from '../config/route-config.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { H, headerName } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import { portStart } from './authority-port.ts';
import { fractionHolds } from './fraction.ts';
import { HeaderOperations } from './header-operations.ts';
import type { RouteEnvironment } from './route-environment.ts';

export class MirrorPolicy {
  readonly #cluster: string;
  readonly #clusterHeader: HeaderName | null;
  readonly #fraction: Fraction | undefined;
  readonly #operations: HeaderOperations;
  /** '': the host stays. */
  readonly #host: string;
  readonly #hostSuffix: boolean;

  /** Throws ConfigError with `place` for a bad regex or %COMMAND%. */
  constructor(config: RequestMirrorConfig, environment: RouteEnvironment, place: string) {
    const { fraction, clusterHeader } = config;
    this.#cluster = config.cluster;
    this.#clusterHeader = clusterHeader === undefined ? null : headerName(clusterHeader);
    this.#fraction = fraction && environment.runtime.fraction(fraction.runtimeKey ?? '', fraction);
    this.#operations = new HeaderOperations(
      config.headerOperations ?? [],
      `${place}.request_headers_mutations`,
      environment,
    );
    this.#host = config.hostRewriteLiteral ?? '';
    this.#hostSuffix = !config.disableShadowHostSuffixAppend;
  }

  /** The cluster of the copy; '': none is made. */
  clusterFor(headers: RequestHeaders, info: StreamInfo): string {
    if (this.#fraction !== undefined && !fractionHolds(this.#fraction, info.streamRandom))
      return '';
    if (this.#clusterHeader === null) return this.#cluster;
    return headers.getAny(this.#clusterHeader) ?? '';
  }

  /** `headers`: as they go to the real upstream. */
  copy(headers: RequestHeaders, info: StreamInfo, nodeIp: string): RequestHeaders {
    const copy = headers.clone();
    if (!this.#operations.empty)
      this.#operations.apply(copy, { request: headers, response: null, info });
    if (this.#host !== '') copy.authority = this.#host;
    else if (this.#hostSuffix) copy.authority = shadowHost(copy.authority ?? '');
    copy.set(H.xEnvoyInternal, 'true');
    copy.append(H.xForwardedFor, nodeIp);
    return copy;
  }
}

/** `foo:80` → `foo-shadow:80`. */
export function shadowHost(host: string): string {
  const colon = portStart(host);
  return colon < 0 ? `${host}-shadow` : `${host.slice(0, colon)}-shadow${host.slice(colon)}`;
}
