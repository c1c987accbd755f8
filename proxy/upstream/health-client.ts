// [m] HealthClient: the HTTP connection that the checks of one host share, one request at a time, on the codecs of the
// data path.
import { DEFAULT_HTTP2 } from '../config/http2-config.ts';
import { StreamResetReason } from '../http/codec.ts';
import type { RequestEncoder, ResponseDecoder, StreamCallbacks } from '../http/codec.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { Http1ClientConnection } from '../http/http1/client-connection.ts';
import type { ClientConnectionCallbacks } from '../http/http1/client-connection.ts';
import { Http2ClientConnection } from '../http/http2/client-connection.ts';
import type { Http2ClientCallbacks } from '../http/http2/client-connection.ts';
import type { SessionSettings } from '../http/http2/endpoint.ts';
import { Http2Stats } from '../http/http2/http2-stats.ts';
import type { Connection } from '../network/connection.ts';
import { CloseType } from '../network/transport.ts';
import type { CloseEvent, ConnectionCallbacks } from '../network/transport.ts';
import type { RandomSource } from '../base/random.ts';
import type { StatsStore } from '../stats/store.ts';
import { NOBODY } from './health-dialer.ts';
import type { HealthDial, HealthDialer, HealthDialOwner } from './health-dialer.ts';

/** Of one answer's head; a check's are small. */
const MAX_HEADERS_KB = 60;
const MAX_HEADERS = 100;

export interface HealthClientOwner extends ResponseDecoder, StreamCallbacks {
  /** There will be no connection for what was sent. */
  onConnectFailed(): void;
}

export interface HealthClientSettings {
  readonly http2: boolean;
  readonly random: RandomSource;
  /** Where the codec counts, and under which name. */
  readonly stats: StatsStore;
  readonly statPrefix: string;
}

export class HealthClient
  implements HealthDialOwner, ConnectionCallbacks, ClientConnectionCallbacks, Http2ClientCallbacks
{
  readonly #dialer: HealthDialer;
  readonly #settings: HealthClientSettings;
  readonly #owner: HealthClientOwner;
  #dial: HealthDial | null = null;
  #connection: Connection | null = null;
  #http1: Http1ClientConnection | null = null;
  #http2: Http2ClientConnection | null = null;
  /** Takes no further request. */
  #spent = false;
  #request: { readonly headers: RequestHeaders; readonly body: Buffer } | null = null;
  #encoder: RequestEncoder | null = null;

  constructor(dialer: HealthDialer, settings: HealthClientSettings, owner: HealthClientOwner) {
    this.#dialer = dialer;
    this.#settings = settings;
    this.#owner = owner;
  }

  /** The one before is over. */
  send(headers: RequestHeaders, body: Buffer): void {
    this.#request = { headers, body };
    if (this.#connection !== null && this.#mayServe()) this.#sendNow();
    else {
      this.#drop();
      this.#dial = this.#dialer.dial(this);
    }
  }

  /** The answer is complete; `keep`: the connection may serve the next check. */
  finish(keep: boolean): void {
    this.#encoder = null;
    if (!keep || this.#spent) this.#drop();
  }

  /** Gives up what is under way, and the connection. */
  abort(): void {
    this.#request = null;
    this.#encoder = null;
    this.#drop();
  }

  // === HealthDialOwner

  onDialed(connection: Connection): void {
    this.#dial = null;
    this.#connection = connection;
    this.#spent = false;
    if (this.#settings.http2)
      this.#http2 = new Http2ClientConnection(connection, this, this.#sessionSettings());
    else this.#http1 = new Http1ClientConnection(connection, this, HTTP1_SETTINGS);
    connection.start(this);
    this.#sendNow();
  }

  onDialFailed(): void {
    this.#dial = null;
    this.#request = null;
    this.#owner.onConnectFailed();
  }

  // === ConnectionCallbacks

  onData(chunk: Buffer, endStream: boolean): void {
    if (this.#http2 === null) this.#http1?.dispatch(chunk, endStream);
    else this.#http2.dispatch(chunk);
    if (endStream) this.#connection?.close(CloseType.NoFlush);
  }

  onClose(event: CloseEvent): void {
    const http1 = this.#http1;
    const http2 = this.#http2;
    this.#forget();
    http1?.onConnectionClosed(event);
    http2?.onConnectionClosed();
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#http2?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#http2?.onBelowWriteBufferLowWatermark();
  }

  // === ClientConnectionCallbacks, Http2ClientCallbacks

  onStreamReset(): void {
    this.#spent = true;
  }

  onStreamComplete(reusable = true): void {
    if (!reusable) this.#spent = true;
  }

  onCloseAsked(): void {}
  onKeepAliveTimeout(): void {}

  onProtocolError(): void {
    this.#spent = true;
    this.#connection?.close(CloseType.NoFlush);
  }

  onGoAway(): void {
    this.#spent = true;
  }

  onMaxStreams(): void {}

  onSessionError(): void {
    this.#spent = true;
    this.#http2?.killStreams(StreamResetReason.ProtocolError, '');
    this.#connection?.close(CloseType.FlushWrite);
  }

  #mayServe(): boolean {
    if (this.#spent) return false;
    return this.#http2 === null ? !this.#http1!.busy : this.#http2.acceptsStream;
  }

  #sendNow(): void {
    const { headers, body } = this.#request!;
    this.#request = null;
    const codec = this.#http2 ?? this.#http1!;
    const encoder = codec.newStream(this.#owner);
    this.#encoder = encoder;
    encoder.setCallbacks(this.#owner);
    encoder.encodeHeaders(headers, body.length === 0);
    // The stream may be over already.
    if (body.length > 0 && this.#encoder === encoder) encoder.encodeData(body, true);
  }

  #drop(): void {
    this.#dial?.cancel();
    this.#dial = null;
    const connection = this.#connection;
    if (connection === null) return;
    const http1 = this.#http1;
    this.#forget();
    connection.setCallbacks(NOBODY);
    if (http1 !== null && http1.busy) http1.resetStream(StreamResetReason.LocalReset);
    connection.close(CloseType.NoFlush);
  }

  #forget(): void {
    this.#connection = null;
    this.#http1 = null;
    this.#http2 = null;
  }

  #sessionSettings(): SessionSettings {
    const { stats, statPrefix, random } = this.#settings;
    return {
      http2: DEFAULT_HTTP2,
      stats: new Http2Stats(stats, statPrefix),
      random,
      flushTimeoutMs: 0,
      limits: { maxBytes: MAX_HEADERS_KB * 1024, maxCount: MAX_HEADERS, underscores: 'ALLOW' },
    };
  }
}

const HTTP1_SETTINGS = {
  maxResponseHeadersKb: MAX_HEADERS_KB,
  maxHeadersCount: MAX_HEADERS,
  enableTrailers: false,
};
