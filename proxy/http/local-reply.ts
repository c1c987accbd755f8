// [w] Responses the proxy makes itself, HTTP and gRPC (envoy-behaviour §1.15, §5.3).
import { H } from './headers.ts';
import { ResponseHeaders } from './header-map.ts';
import type { RequestHeaders } from './header-map.ts';
import type { LocalReply } from './http-filter.ts';

/** `application/grpc` exactly, or `application/grpc+…`; nothing else counts as gRPC. */
export function isGrpcRequest(headers: RequestHeaders): boolean {
  const contentType = headers.get(H.contentType);
  if (contentType === undefined || !contentType.startsWith('application/grpc')) return false;
  return contentType.length === 16 || contentType.charCodeAt(16) === 0x2b;
}

const GRPC_BY_HTTP = new Map([
  [400, 13],
  [401, 16],
  [403, 7],
  [404, 12],
  [429, 14],
  [502, 14],
  [503, 14],
  [504, 14],
]);

export const grpcStatusOf = (httpStatus: number): number => GRPC_BY_HTTP.get(httpStatus) ?? 2;

/** Percent-encodes what a grpc-message must not carry raw. */
export function grpcMessage(text: string): string {
  let encoded = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    const plain = byte >= 0x20 && byte < 0x7e && byte !== 0x25;
    encoded += plain
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

/** Headers of the reply; its body is to be sent when it is no gRPC reply and not an answer to HEAD. */
export function localReplyHeaders(reply: LocalReply, grpc: boolean): ResponseHeaders {
  const headers = new ResponseHeaders();
  if (grpc) {
    headers.status = 200;
    headers.push(H.contentType, 'application/grpc');
    headers.push(H.grpcStatus, String(reply.grpcStatus ?? grpcStatusOf(reply.status)));
    if (reply.body !== '') headers.push(H.grpcMessage, grpcMessage(reply.body));
  } else {
    headers.status = reply.status;
    if (reply.body !== '') {
      const length = reply.bodyBytes?.length ?? Buffer.byteLength(reply.body);
      headers.push(H.contentLength, String(length));
      headers.push(H.contentType, 'text/plain');
    }
  }
  reply.modifyHeaders?.(headers);
  return headers;
}
