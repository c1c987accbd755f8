// Stands in for a gRPC access log service, over HTTP/2 without TLS.
import http2 from 'node:http2';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { decode } from '../../xds-protos/codec.ts';
import { toJson } from '../../xds-protos/proto-json.ts';
import type { JsonObject } from '../../xds-protos/well-known-types.ts';

const MESSAGE = 'envoy.service.accesslog.v3.StreamAccessLogsMessage';

export interface AccessLogServerEvents {
  onStream?(headers: IncomingHttpHeaders, stream: ServerHttp2Stream): void;
  onMessage(message: JsonObject): void;
}

/** Not listening; `emit('connection', socket)` serves a socket. */
export function accessLogServer(events: AccessLogServerEvents): http2.Http2Server {
  const server = http2.createServer();
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    events.onStream?.(headers, stream);
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    stream.on('error', () => {});
    let bytes = Buffer.alloc(0);
    stream.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      // One byte that says "not compressed", four of length, the message.
      while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt32BE(1)) {
        const end = 5 + bytes.readUInt32BE(1);
        events.onMessage(toJson(MESSAGE, decode(MESSAGE, bytes.subarray(5, end))) as JsonObject);
        bytes = bytes.subarray(end);
      }
    });
  });
  server.on('sessionError', () => {});
  return server;
}
