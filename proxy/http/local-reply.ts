// [w] Responses the proxy makes itself, HTTP and gRPC (envoy-behaviour §1.15, §5.3).
import { H } from './headers.ts';
import { ResponseHeaders } from './header-map.ts';
import type { RequestHeaders } from './header-map.ts';
import type { LocalReply } from './http-filter.ts';
import type { Route } from './route-provider.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';

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
export function grpcMessage(text: string | Buffer): string {
  let encoded = '';
  for (const byte of typeof text === 'string' ? Buffer.from(text, 'utf8') : text) {
    const plain = byte >= 0x20 && byte < 0x7e && byte !== 0x25;
    encoded += plain
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

const TEXT = 'text/plain';
const JSON_TYPE = 'application/json';
const LINE_FEED = 0x0a;

/** What `local_reply_config` may change of a reply. */
export interface ReplyDraft {
  status: number;
  /** One character a byte. */
  body: string;
  contentType: string;
}

export interface LocalReplyRewriter {
  /** May also change `headers` and `info.responseCode`. */
  rewrite(
    draft: ReplyDraft,
    headers: ResponseHeaders,
    request: RequestHeaders,
    info: StreamInfo,
  ): void;
}

/** The stream that is answered. */
export interface AnsweredStream {
  readonly requestHeaders: RequestHeaders;
  readonly streamInfo: StreamInfo;
  readonly route: Route | null;
}

export interface BuiltReply {
  readonly headers: ResponseHeaders;
  /** Null: the headers are all. */
  readonly body: Buffer | null;
}

/** Headers in Envoy's order: those of the route and of the reply, those of `rewriter`, then what describes the body. */
export function buildReply(
  reply: LocalReply,
  stream: AnsweredStream,
  rewriter: LocalReplyRewriter | null,
): BuiltReply {
  const { requestHeaders: request, streamInfo: info, route } = stream;
  const headers = new ResponseHeaders();
  headers.status = reply.status;
  if (reply.routeHeadersLast === true) reply.modifyHeaders?.(headers);
  route?.finalizeResponseHeaders(headers, request, info);
  if (reply.routeHeadersLast !== true) reply.modifyHeaders?.(headers);
  let contentType = TEXT;
  // A copy in both cases: writers own what they are given.
  let body = Buffer.from(reply.bodyBytes ?? reply.body);
  if (rewriter !== null) {
    const draft = { status: reply.status, body: body.toString('latin1'), contentType };
    rewrite(rewriter, draft, { headers, request, info });
    body = Buffer.from(draft.body, 'latin1');
    contentType = draft.contentType;
  }
  if (isGrpcRequest(request) && !info.repliesAsHttp) {
    turnIntoGrpc(headers, reply.grpcStatus, body, contentType);
    return { headers, body: null };
  }
  describeBody(headers, body.length, contentType);
  return { headers, body: body.length === 0 || request.method === 'HEAD' ? null : body };
}

function rewrite(
  rewriter: LocalReplyRewriter,
  draft: ReplyDraft,
  of: {
    readonly headers: ResponseHeaders;
    readonly request: RequestHeaders;
    readonly info: StreamInfo;
  },
): void {
  const { headers, request, info } = of;
  const bodyBefore = draft.body;
  const typeBefore = headers.get(H.contentType);
  info.responseCode = draft.status;
  rewriter.rewrite(draft, headers, request, info);
  headers.status = draft.status;
  // A new body has a type of its own, unless a mapper named one.
  if (
    typeBefore !== undefined &&
    draft.body !== bodyBefore &&
    headers.get(H.contentType) === typeBefore
  )
    headers.set(H.contentType, draft.contentType);
}

function describeBody(headers: ResponseHeaders, bodyLength: number, contentType: string): void {
  if (bodyLength === 0) {
    headers.remove(H.contentLength);
    headers.remove(H.contentType);
    return;
  }
  headers.set(H.contentLength, String(bodyLength));
  headers.setIfAbsent(H.contentType, contentType);
}

/** A reply to a gRPC request has no body: its text becomes the message. */
function turnIntoGrpc(
  headers: ResponseHeaders,
  grpcStatus: number | undefined,
  body: Buffer,
  contentType: string,
): void {
  const status = String(grpcStatus ?? grpcStatusOf(headers.status));
  headers.status = 200;
  headers.set(H.contentType, 'application/grpc');
  if ((headers.get(H.grpcStatus) ?? '') === '') headers.set(H.grpcStatus, status);
  if (body.length > 0 && (headers.get(H.grpcMessage) ?? '') === '') {
    // JSON formats end with a newline.
    const cut = contentType === JSON_TYPE && body.at(-1) === LINE_FEED;
    headers.set(H.grpcMessage, grpcMessage(cut ? body.subarray(0, -1) : body));
  }
  headers.remove(H.contentLength);
}
