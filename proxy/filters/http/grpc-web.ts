// [w] envoy.filters.http.grpc_web: a gRPC-Web request becomes a gRPC one; the answer comes back with its trailers as the last
// frame of its body, all of it as base64 where the client asked for text (envoy-behaviour §10.6).
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../../http/header-map.ts';
import { H, headerName } from '../../http/headers.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import { grpcMessage, grpcStatusOf } from '../../http/local-reply.ts';
import type { FilterFactoryContext } from '../factory-context.ts';
import { Base64Groups } from './base64-groups.ts';
import { GrpcWebStats } from './grpc-web-stats.ts';

const BINARY_TYPES = new Set(['application/grpc-web', 'application/grpc-web+proto']);
const TEXT_TYPES = new Set(['application/grpc-web-text', 'application/grpc-web-text+proto']);
const BINARY = 'application/grpc-web+proto';
const TEXT = 'application/grpc-web-text+proto';
const GRPC = 'application/grpc';
const GRPC_ACCEPT_ENCODING = headerName('grpc-accept-encoding');

const PREFIX_BYTES = 5;
const TRAILERS_FLAG = 0x80;
/** Of an answer that is no gRPC, so much becomes the message. */
const MAX_MESSAGE_BYTES = 16 * 1024;
const BAD_TEXT = 'Bad gRPC-web request, invalid base64 data.';
const NOTHING = Buffer.alloc(0);

class GrpcWebFilter extends PassThroughFilter {
  readonly #factory: GrpcWebFilterFactory;
  readonly #callbacks: FilterCallbacks;
  /** Null: the request's body is binary. */
  readonly #request: Base64Groups | null;
  readonly #textAnswer: boolean;
  /** Text of an answer that is no gRPC, as far as it is wanted; null: the answer is gRPC. */
  #foreign: Buffer[] | null = null;
  #foreignBytes = 0;
  #foreignHeaders: ResponseHeaders | null = null;
  /** Bytes of a message of the answer that is not whole yet. */
  #partial: Buffer = NOTHING;

  constructor(factory: GrpcWebFilterFactory, callbacks: FilterCallbacks) {
    super();
    const { requestHeaders } = callbacks;
    this.#factory = factory;
    this.#callbacks = callbacks;
    this.#request = TEXT_TYPES.has(requestHeaders.get(H.contentType)!) ? new Base64Groups() : null;
    this.#textAnswer = TEXT_TYPES.has(requestHeaders.get(H.accept) ?? '');
    callbacks.streamInfo.repliesAsHttp = true;
  }

  override decodeHeaders(headers: RequestHeaders): FilterStatus {
    headers.remove(H.contentLength);
    headers.set(H.contentType, GRPC);
    // Not what the client said of its own hop; as Envoy, behind the other lines.
    headers.remove(H.te);
    headers.push(H.te, 'trailers');
    headers.setIfAbsent(GRPC_ACCEPT_ENCODING, 'identity');
    return FilterStatus.Continue;
  }

  override decodeData(chunk: Buffer, endStream: boolean): FilterStatus {
    if (this.#request === null) return FilterStatus.Continue;
    const bytes = this.#request.push(chunk);
    if (bytes === null || (endStream && this.#request.incomplete)) {
      this.#refuse(bytes === null ? 'grpc_base_64_decode_failed' : BAD_SIZE);
      return FilterStatus.Consumed;
    }
    if (bytes.length > 0 || endStream) this.#callbacks.injectDecodedData(bytes, endStream);
    return FilterStatus.Consumed;
  }

  override encodeHeaders(headers: ResponseHeaders, endStream: boolean): FilterStatus {
    this.#charge(headers);
    const gRpc = isGrpcAnswer(headers);
    headers.set(H.contentType, this.#textAnswer ? TEXT : BINARY);
    headers.remove(H.contentLength);
    if (endStream || gRpc) return FilterStatus.Continue;
    this.#foreign = [];
    this.#foreignHeaders = headers;
    return FilterStatus.StopAndBuffer;
  }

  override encodeData(chunk: Buffer, endStream: boolean): FilterStatus {
    if (this.#foreign !== null) {
      this.#keepForeign(chunk);
      if (endStream) this.#describeForeign();
      return FilterStatus.Consumed;
    }
    if (!this.#textAnswer) return FilterStatus.Continue;
    const text = this.#encodeMessages(chunk);
    if (text.length > 0 || endStream) this.#callbacks.injectEncodedData(text, endStream);
    return FilterStatus.Consumed;
  }

  override encodeTrailers(trailers: HeaderMap): FilterStatus {
    this.#charge(trailers);
    if (this.#foreign !== null) {
      this.#describeForeign();
      return FilterStatus.Consumed;
    }
    const frame = trailersFrame(trailers);
    this.#callbacks.injectEncodedData(this.#textAnswer ? asBase64(frame) : frame, true);
    // The trailers are in the body now.
    return FilterStatus.StopIteration;
  }

  #refuse(details: string): void {
    this.#callbacks.sendLocalReply({
      status: 400,
      body: BAD_TEXT,
      details,
      flag: undefined,
      grpcStatus: undefined,
      modifyHeaders: undefined,
    });
  }

  #charge(lines: HeaderMap): void {
    const { streamInfo, requestHeaders } = this.#callbacks;
    this.#factory.charge(streamInfo.upstreamCluster, requestHeaders.path, lines);
  }

  #keepForeign(chunk: Buffer): void {
    const wanted = Math.min(chunk.length, MAX_MESSAGE_BYTES - this.#foreignBytes);
    if (wanted <= 0) return;
    this.#foreign!.push(Buffer.from(chunk.subarray(0, wanted)));
    this.#foreignBytes += wanted;
  }

  #describeForeign(): void {
    const headers = this.#foreignHeaders!;
    headers.set(H.grpcMessage, grpcMessage(Buffer.concat(this.#foreign!)));
    headers.set(H.grpcStatus, String(grpcStatusOf(headers.status)));
    headers.set(H.contentLength, '0');
  }

  /** Each message is text of its own; one that is not whole waits. */
  #encodeMessages(chunk: Buffer): Buffer {
    let bytes = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk]);
    let text = '';
    for (;;) {
      if (bytes.length < PREFIX_BYTES) break;
      const end = PREFIX_BYTES + bytes.readUInt32BE(1);
      if (bytes.length < end) break;
      text += bytes.toString('base64', 0, end);
      bytes = bytes.subarray(end);
    }
    this.#hold(bytes);
    return Buffer.from(text, 'latin1');
  }

  /** A message longer than what a stream may hold cuts the answer: there is no other way to say it. */
  #hold(rest: Buffer): void {
    if (rest.length > this.#callbacks.bufferLimitBytes) this.#callbacks.resetStream();
    else this.#partial = rest.length === 0 ? NOTHING : Buffer.from(rest);
  }
}

const BAD_SIZE = 'grpc_base_64_decode_failed_bad_size';

function isGrpcAnswer(headers: ResponseHeaders): boolean {
  if (headers.status !== 200) return false;
  const type = headers.get(H.contentType) ?? '';
  if (BINARY_TYPES.has(type) || TEXT_TYPES.has(type)) return true;
  return type === GRPC || type.startsWith('application/grpc+');
}

const asBase64 = (bytes: Buffer): Buffer => Buffer.from(bytes.toString('base64'), 'latin1');

function trailersFrame(trailers: HeaderMap): Buffer {
  let lines = '';
  for (let i = 0; i < trailers.size; i++)
    lines += `${trailers.nameAt(i).text}:${trailers.valueAt(i)}\r\n`;
  const frame = Buffer.alloc(PREFIX_BYTES + lines.length);
  frame[0] = TRAILERS_FLAG;
  frame.writeUInt32BE(lines.length, 1);
  frame.write(lines, PREFIX_BYTES, 'latin1');
  return frame;
}

export class GrpcWebFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #context: FilterFactoryContext;
  readonly #stats: GrpcWebStats;

  constructor(name: string, context: FilterFactoryContext) {
    this.name = name;
    this.#context = context;
    this.#stats = new GrpcWebStats(context.stats);
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter | null {
    const type = callbacks.requestHeaders.get(H.contentType);
    if (type === undefined || (!BINARY_TYPES.has(type) && !TEXT_TYPES.has(type))) return null;
    return new GrpcWebFilter(this, callbacks);
  }

  charge(clusterName: string, path: string, lines: HeaderMap): void {
    const cluster = this.#context.clusters.get(clusterName);
    if (cluster !== undefined) this.#stats.charge(cluster.stats.prefix, path, lines);
  }
}
