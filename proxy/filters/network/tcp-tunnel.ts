// [w] A TCP session as the body of a CONNECT or POST upstream, over HTTP/1 or HTTP/2 (tunneling_config; envoy-behaviour §8.1).
import type { TunnelingConfig } from '../../config/tcp-proxy-config.ts';
import { StreamResetReason } from '../../http/codec.ts';
import type { RequestEncoder, ResponseDecoder, StreamCallbacks } from '../../http/codec.ts';
import { RequestHeaders } from '../../http/header-map.ts';
import type { HeaderMap, ResponseHeaders } from '../../http/header-map.ts';
import { CloseEvent, CloseType } from '../../network/transport.ts';
import { HeaderFormat } from '../../router/header-format.ts';
import { HeaderMutator } from '../../router/header-mutator.ts';
import type { RouteEnvironment } from '../../router/route-environment.ts';
import type { StreamInfo } from '../../stream-info/stream-info.ts';
import type { UpstreamConnectionFacts } from '../../stream-info/upstream-facts.ts';
import type {
  HttpConnPool,
  HttpPoolCallbacks,
  PoolFailureReason,
  PoolTicket,
} from '../../upstream/conn-pool/conn-pool.ts';
import type { Host } from '../../upstream/host.ts';
import type { TcpUpstream, UpstreamUser } from './tcp-upstream.ts';

const NOTHING = Buffer.alloc(0);

/** The requests of one tcp_proxy. */
export class TunnelRequests {
  readonly config: TunnelingConfig;
  readonly #hostname: HeaderFormat;
  readonly #mutator: HeaderMutator;

  /** Throws ConfigError for a command that does not exist. */
  constructor(config: TunnelingConfig, environment?: RouteEnvironment) {
    this.config = config;
    this.#hostname = new HeaderFormat(config.hostname, 'tunneling_config.hostname', {
      ...(environment && { environment: environment.format }),
    });
    const place = 'tunneling_config.headers_to_add';
    this.#mutator = new HeaderMutator(config.headersToAdd, [], place, environment);
  }

  headersFor(info: StreamInfo): RequestHeaders {
    const headers = new RequestHeaders();
    headers.authority = this.#hostname.format(headers, null, info);
    headers.method = 'CONNECT';
    if (this.config.postPath !== undefined) {
      headers.method = 'POST';
      headers.path = this.config.postPath;
      headers.scheme = 'http';
    }
    this.#mutator.mutateRequest(headers, info);
    return headers;
  }
}

export interface TunnelOwner extends UpstreamUser {
  /** The other side has accepted. */
  onTunnelReady(tunnel: TcpUpstream, host: Host, facts: UpstreamConnectionFacts): void;
  /** Nothing came of it. */
  onPoolFailure(reason: PoolFailureReason, detail: string, host: Host): void;
  onTunnelHeaders(headers: ResponseHeaders): void;
  onTunnelTrailers(trailers: HeaderMap): void;
}

export class HttpTunnel
  implements TcpUpstream, ResponseDecoder, HttpPoolCallbacks, StreamCallbacks, PoolTicket
{
  readEnded = false;
  readonly #owner: TunnelOwner;
  readonly #headers: RequestHeaders;
  #ticket: PoolTicket | null = null;
  #encoder: RequestEncoder | null = null;
  #host: Host | null = null;
  #facts: UpstreamConnectionFacts | null = null;
  #open = false;
  #writeEnded = false;

  constructor(owner: TunnelOwner, headers: RequestHeaders) {
    this.#owner = owner;
    this.#headers = headers;
  }

  start(pool: HttpConnPool): void {
    const ticket = pool.newStream(this, this);
    if (this.#encoder === null) this.#ticket = ticket;
  }

  /** Before it is ready. */
  cancel(): void {
    this.#ticket?.cancel();
    this.#ticket = null;
    this.#reset();
  }

  // === TcpUpstream

  write(chunk: Buffer): void {
    if (!this.#writeEnded && chunk.length > 0) this.#encoder?.encodeData(chunk, false);
  }

  endWrite(): void {
    if (this.#writeEnded) return;
    this.#writeEnded = true;
    this.#encoder?.encodeData(NOTHING, true);
  }

  readDisable(disable: boolean): void {
    this.#encoder?.readDisable(disable);
  }

  close(type: CloseType): void {
    if (!this.#open) return;
    if (type === CloseType.FlushWrite && !this.readEnded) this.endWrite();
    this.#open = false;
    // With both sides at their end the stream is over by itself.
    if (!this.readEnded || !this.#writeEnded) this.#reset();
    this.#encoder = null;
    this.#owner.onUpstreamClose(CloseEvent.Local, '');
  }

  // === HttpPoolCallbacks

  onPoolReady(encoder: RequestEncoder, host: Host, facts: UpstreamConnectionFacts): void {
    this.#ticket = null;
    this.#encoder = encoder;
    this.#host = host;
    this.#facts = facts;
    encoder.setCallbacks(this);
    encoder.encodeHeaders(this.#headers, false);
  }

  onPoolFailure(reason: PoolFailureReason, detail: string, host: Host): void {
    this.#ticket = null;
    this.#owner.onPoolFailure(reason, detail, host);
  }

  // === ResponseDecoder

  decode1xxHeaders(_headers: ResponseHeaders): void {}

  decodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    const { status } = headers;
    this.#owner.onTunnelHeaders(headers);
    if (status < 200 || status >= 300 || endStream) {
      this.#fail(`tunnel_response:${status}`);
      return;
    }
    this.#open = true;
    if (this.#headers.method === 'CONNECT') this.#encoder!.enableTunnel();
    this.#owner.onTunnelReady(this, this.#host!, this.#facts!);
  }

  decodeData(chunk: Buffer, endStream: boolean): void {
    if (!this.#open) return;
    if (endStream) this.readEnded = true;
    this.#owner.onUpstreamData(chunk, endStream);
  }

  decodeTrailers(trailers: HeaderMap): void {
    if (!this.#open) return;
    this.#owner.onTunnelTrailers(trailers);
    this.readEnded = true;
    this.#owner.onUpstreamData(NOTHING, true);
  }

  // === StreamCallbacks

  onResetStream(_reason: StreamResetReason, details: string): void {
    this.#encoder = null;
    if (!this.#open) {
      this.#owner.onPoolFailure('remote connection failure', details, this.#host!);
      return;
    }
    this.#open = false;
    this.#owner.onUpstreamClose(CloseEvent.Remote, '');
  }

  onAboveWriteBufferHighWatermark(): void {
    if (this.#open) this.#owner.pauseDownstream(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    if (this.#open) this.#owner.pauseDownstream(false);
  }

  #fail(detail: string): void {
    this.#reset();
    this.#owner.onPoolFailure('remote connection failure', detail, this.#host!);
  }

  #reset(): void {
    const encoder = this.#encoder;
    this.#encoder = null;
    encoder?.resetStream(StreamResetReason.LocalReset);
  }
}

/** For filters that look at the session's filter state. */
export function keepTunnelFields(
  info: StreamInfo,
  of: 'headers' | 'trailers',
  map: HeaderMap,
): void {
  const fields = new Map<string, string>();
  for (let i = 0; i < map.size; i++) fields.set(map.nameAt(i).text, map.valueAt(i));
  const key = `envoy.tcp_proxy.propagate_response_${of}`;
  info.filterStateForWriting().set(key, { text: null, fields });
}
