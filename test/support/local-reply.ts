// A local reply as a stream without route and local_reply_config sends it, for stand-ins of streams.
import { RequestHeaders } from '../../proxy/http/header-map.ts';
import type { ResponseHeaders } from '../../proxy/http/header-map.ts';
import { H } from '../../proxy/http/headers.ts';
import type { LocalReply } from '../../proxy/http/http-filter.ts';
import { buildReply } from '../../proxy/http/local-reply.ts';
import { streamInfo } from './route-samples.ts';

export function localReplyHeaders(reply: LocalReply, grpc: boolean): ResponseHeaders {
  const requestHeaders = new RequestHeaders();
  if (grpc) requestHeaders.set(H.contentType, 'application/grpc');
  return buildReply(reply, { requestHeaders, streamInfo: streamInfo(), route: null }, null).headers;
}
