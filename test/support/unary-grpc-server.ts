// Stands in for a gRPC service with unary calls, over HTTP/2 without TLS.
import http2 from 'node:http2';
import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';

export interface UnaryAnswer {
  /** Absent: no message. */
  readonly message?: Buffer;
  /** In place of the message with its prefix. */
  readonly raw?: Buffer;
  /** Default 200. */
  readonly status?: number;
  /** Default '0'; null: none. */
  readonly grpcStatus?: string | null;
  /** The status stands in the headers, and nothing follows. */
  readonly headersOnly?: boolean;
  /** No trailers. */
  readonly cut?: boolean;
}

export interface UnaryCall {
  readonly headers: IncomingHttpHeaders;
  readonly message: Buffer;
}

/** 'silence': never answered; 'reset': the stream is cut. Not listening; `emit('connection', socket)` serves a socket. */
export function unaryGrpcServer(
  answer: (call: UnaryCall) => UnaryAnswer | 'silence' | 'reset',
): http2.Http2Server {
  const server = http2.createServer();
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const chunks: Buffer[] = [];
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const reply = answer({ headers, message: Buffer.concat(chunks).subarray(5) });
      if (reply === 'reset') stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
      else if (reply !== 'silence') respond(stream, reply);
    });
  });
  server.on('sessionError', () => {});
  return server;
}

function respond(stream: ServerHttp2Stream, answer: UnaryAnswer): void {
  const { message, raw, status = 200, grpcStatus = '0', headersOnly = false, cut = false } = answer;
  const head: OutgoingHttpHeaders = { ':status': status, 'content-type': 'application/grpc' };
  const ending: OutgoingHttpHeaders = grpcStatus === null ? {} : { 'grpc-status': grpcStatus };
  if (headersOnly) {
    stream.respond({ ...head, ...ending }, { endStream: true });
    return;
  }
  stream.respond(head, { waitForTrailers: !cut });
  stream.on('wantTrailers', () => stream.sendTrailers(ending));
  stream.end(raw ?? (message === undefined ? '' : framed(message)));
}

export function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}
