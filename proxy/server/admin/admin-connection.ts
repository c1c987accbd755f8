// [m] One connection to the admin address, on the HTTP/1 codec of the data path: node:http would cost main 1.2 MB
// (docs/performance.md). Loaded with the first. A request is read whole, answered whole, and the next one waits for that.
import { WheelTimer } from '../../base/timer-wheel.ts';
import type { TimerOwner } from '../../base/timer-wheel.ts';
import type { Http1ServerSettings } from '../../config/http-connection-manager-config.ts';
import type { CodecError } from '../../http/codec-error.ts';
import type { RequestDecoder, ResponseEncoder } from '../../http/codec.ts';
import { ResponseHeaders } from '../../http/header-map.ts';
import type { HeaderMap, RequestHeaders } from '../../http/header-map.ts';
import { H, headerName } from '../../http/headers.ts';
import { Http1ServerConnection } from '../../http/http1/server-connection.ts';
import type { ServerConnectionCallbacks } from '../../http/http1/server-connection.ts';
import { Connection } from '../../network/connection.ts';
import type { IoThread } from '../../network/io-thread.ts';
import type { SocketHandle } from '../../network/socket-binding.ts';
import { CloseType } from '../../network/transport.ts';
import type { ConnectionCallbacks } from '../../network/transport.ts';
import type { AdminContext } from '../admin-context.ts';
import { dispatchAdmin } from './admin-dispatch.ts';
import { textResponse } from './admin-endpoint.ts';
import type { AdminResponse } from './admin-endpoint.ts';
import { MAX_QUERY_CHARS } from './admin-query.ts';

/** For a request to come, and for its answer to be taken. */
const IDLE_MS = 300_000;
/** A form may write each character of a query as `%xx`, or more. */
const MAX_BODY_BYTES = 4 * MAX_QUERY_CHARS;

const SETTINGS: Http1ServerSettings = {
  useRemoteAddress: false,
  xffNumTrustedHops: 0,
  maxRequestHeadersKb: 60,
  maxHeadersCount: 100,
  headersWithUnderscoresAction: 'ALLOW',
  http1: {
    allowAbsoluteUrl: true,
    acceptHttp10: true,
    defaultHostForHttp10: '',
    enableTrailers: false,
    allowChunkedLength: false,
    allowCustomMethods: false,
    headerKeyFormat: 'lower',
  },
};

export interface AdminConnectionOwner {
  readonly context: AdminContext;
  /** The value of `date`. */
  date(): string;
  onConnectionDone(connection: AdminConnection): void;
}

export const acceptAdmin = (
  owner: AdminConnectionOwner,
  io: IoThread,
  handle: SocketHandle,
): AdminConnection => new AdminConnection(owner, new Connection(io, handle));

export class AdminConnection
  implements ConnectionCallbacks, ServerConnectionCallbacks, RequestDecoder, TimerOwner
{
  readonly #owner: AdminConnectionOwner;
  readonly #connection: Connection;
  readonly #codec: Http1ServerConnection;
  readonly #idleTimer = new WheelTimer(this, 0);
  #request: RequestHeaders | null = null;
  #body: Buffer[] = [];
  #bodyBytes = 0;
  /** No request follows the one under way. */
  #last = false;

  constructor(owner: AdminConnectionOwner, connection: Connection) {
    this.#owner = owner;
    this.#connection = connection;
    this.#codec = new Http1ServerConnection(connection, this, SETTINGS);
    connection.start(this);
    this.#rest();
  }

  close(): void {
    this.#connection.close(CloseType.NoFlush);
  }

  // === ConnectionCallbacks

  onData(chunk: Buffer, endStream: boolean): void {
    if (chunk.length > 0) this.#codec.dispatch(chunk);
    if (!endStream || !this.#connection.open) return;
    // A client that has said all may still wait for its answer.
    if (this.#request === null || this.#codec.headBegun) this.close();
    else this.#last = true;
  }

  onClose(): void {
    this.#codec.stop();
    this.#connection.io.timers.cancel(this.#idleTimer);
    this.#owner.onConnectionDone(this);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#codec.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#codec.onBelowWriteBufferLowWatermark();
  }

  // === ServerConnectionCallbacks

  newStream(): RequestDecoder {
    return this;
  }

  onCodecError(error: CodecError): void {
    this.#refuse(error.status, error.body);
  }

  upgradesLeft(): string {
    return '';
  }

  onUnderscores(): void {}

  // === RequestDecoder

  decodeHeaders(headers: RequestHeaders, endStream: boolean): void {
    this.#request = headers;
    this.#body = [];
    this.#bodyBytes = 0;
    this.#last = this.#codec.requestWantsClose;
    if (headers.method === 'CONNECT') this.#refuse(405, 'Method Not Allowed');
    else if (headers.authority === undefined && this.#codec.protocol === 'HTTP/1.1')
      this.#refuse(400, 'Bad Request');
    else if (endStream) void this.#serve(headers);
    else if (headers.get(H.expect)?.toLowerCase() === '100-continue') this.#goOn();
  }

  decodeData(chunk: Buffer, endStream: boolean): void {
    const request = this.#request;
    if (request === null || this.#bodyBytes > MAX_BODY_BYTES) return;
    this.#bodyBytes += chunk.length;
    if (this.#bodyBytes > MAX_BODY_BYTES) {
      this.#refuse(413, 'Payload Too Large');
      return;
    }
    // Other bodies are read and thrown away.
    if (isForm(request)) this.#body.push(Buffer.from(chunk));
    if (endStream) void this.#serve(request);
  }

  decodeTrailers(_trailers: HeaderMap): void {
    if (this.#request !== null) void this.#serve(this.#request);
  }

  // === TimerOwner

  onTimer(): void {
    this.close();
  }

  async #serve({ method, path }: RequestHeaders): Promise<void> {
    const form = Buffer.concat(this.#body).toString('utf8');
    this.#body = [];
    const response = await dispatchAdmin(this.#owner.context, { method, target: path, form });
    if (!this.#connection.open) return;
    this.#send(this.#codec, response);
    this.#request = null;
    if (this.#last) this.#end(CloseType.FlushWrite);
    else {
      this.#rest();
      this.#codec.readyForNext();
    }
  }

  #goOn(): void {
    const headers = new ResponseHeaders();
    headers.status = 100;
    this.#codec.encode1xxHeaders(headers);
  }

  #send(encoder: ResponseEncoder, response: AdminResponse): void {
    const body = Buffer.from(response.body, 'utf8');
    const headers = new ResponseHeaders();
    headers.status = response.status;
    headers.push(H.contentType, response.contentType);
    headers.push(headerName('cache-control'), 'no-cache, max-age=0');
    headers.push(headerName('x-content-type-options'), 'nosniff');
    for (const [name, value] of Object.entries(response.headers ?? {}))
      headers.push(headerName(name), value);
    headers.push(H.contentLength, String(body.length));
    headers.push(H.date, this.#owner.date());
    headers.push(H.server, 'envoy');
    if (this.#last) headers.push(H.connection, 'close');
    const bare = body.length === 0;
    encoder.encodeHeaders(headers, bare);
    if (!bare) encoder.encodeData(body, true);
  }

  /** The connection ends with this answer: what else comes on it is not understood, or too much. */
  #refuse(status: number, text: string): void {
    this.#last = true;
    this.#send(this.#codec, textResponse(`${text}\n`, status));
    // What is still coming would be answered by RST, which may take our words away.
    this.#end(CloseType.FlushWriteAndDelay);
  }

  #end(how: CloseType): void {
    this.#request = null;
    this.#codec.stop();
    this.#connection.close(how);
  }

  #rest(): void {
    this.#connection.io.timers.arm(this.#idleTimer, IDLE_MS);
  }
}

const isForm = (headers: RequestHeaders): boolean =>
  headers.get(H.contentType)?.startsWith('application/x-www-form-urlencoded') === true;
