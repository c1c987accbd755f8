// [w] RouterReply: answers of the router itself, to the byte as Envoy gives them (envoy-behaviour §5.1).
import { StreamResetReason } from '../http/codec.ts';
import type { BodyFormat } from '../access-log/body-format.ts';
import type { RequestHeaders, ResponseHeaders } from '../http/header-map.ts';
import { H, headerName } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import type { LocalReply } from '../http/http-filter.ts';
import { ResponseFlag } from '../stream-info/response-flags.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { DirectResponse } from './direct-response.ts';
import { bodyOfReset, detailsOfReset, flagOfReset, statusOfReset } from './reset-reply.ts';

const DROP_OVERLOAD = headerName('x-envoy-drop-overload');
const UNCONDITIONAL_DROP_OVERLOAD = headerName('x-envoy-unconditional-drop-overload');

export class RouterReply implements LocalReply {
  readonly status: number;
  readonly body: string;
  bodyBytes: Uint8Array | undefined = undefined;
  routeHeadersLast = false;
  readonly details: string;
  readonly flag: ResponseFlag | undefined;
  readonly grpcStatus = undefined;
  modifyHeaders: ((headers: ResponseHeaders) => void) | undefined = undefined;

  constructor(status: number, body: string, details: string, flag: ResponseFlag | undefined) {
    this.status = status;
    this.body = body;
    this.details = details;
    this.flag = flag;
  }

  /** After what is there already; replies are rare enough for a closure. */
  alsoModify(modify: (headers: ResponseHeaders) => void): this {
    const before = this.modifyHeaders;
    this.modifyHeaders =
      before === undefined
        ? modify
        : (headers): void => {
            before(headers);
            modify(headers);
          };
    return this;
  }
}

export const noRouteReply = (): RouterReply =>
  new RouterReply(404, '', 'route_not_found', ResponseFlag.NoRouteFound);

export const noClusterReply = (status: number): RouterReply =>
  new RouterReply(status, '', 'cluster_not_found', ResponseFlag.NoClusterFound);

export const noHostReply = (): RouterReply =>
  new RouterReply(
    503,
    'no healthy upstream',
    'no_healthy_upstream',
    ResponseFlag.NoHealthyUpstream,
  );

export const bufferFullReply = (): RouterReply =>
  new RouterReply(
    507,
    'exceeded request buffer limit while retrying upstream',
    'request_payload_exceeded_retry_buffer_limit',
    undefined,
  );

export function invalidHeaderReply(name: HeaderName, headers: RequestHeaders): RouterReply {
  const body = `invalid header '${name.text}' with value '${headers.get(name) ?? ''}'`;
  const details = `request_headers_failed_strict_check{${name.text}}`;
  return new RouterReply(400, body, details, ResponseFlag.InvalidEnvoyRequestHeaders);
}

/** Formats see the request only; a type that is not the usual one stands before the length. */
function formatBody(
  reply: RouterReply,
  format: BodyFormat,
  requestHeaders: RequestHeaders,
  info: StreamInfo,
): void {
  const text = format.text({
    info,
    requestHeaders,
    responseHeaders: undefined,
    responseTrailers: undefined,
    type: 'NotSet',
    localReplyBody: Buffer.from(reply.bodyBytes ?? reply.body).toString('latin1'),
  });
  const { contentType } = format;
  reply.bodyBytes = Buffer.from(text, 'latin1');
  if (contentType !== 'text/plain') reply.alsoModify((to) => to.set(H.contentType, contentType));
}

export function directReply(
  direct: DirectResponse,
  headers: RequestHeaders,
  info: StreamInfo,
): RouterReply {
  const reply = new RouterReply(direct.status, direct.body, 'direct_response', undefined);
  reply.bodyBytes = direct.bodyBytes;
  reply.routeHeadersLast = true;
  if (direct.format !== null) formatBody(reply, direct.format, headers, info);
  const location = direct.location(headers, info);
  return location === '' ? reply : reply.alsoModify((to) => to.set(H.location, location));
}

/** EDS told us to drop some, or all, requests. */
export function droppedReply(all: boolean, tellByHeader: boolean): RouterReply {
  const reply = all
    ? new RouterReply(
        503,
        'unconditional drop overload',
        'unconditional_drop_overload',
        ResponseFlag.UnconditionalDropOverload,
      )
    : new RouterReply(503, 'drop overload', 'drop_overload', ResponseFlag.DropOverload);
  const name = all ? UNCONDITIONAL_DROP_OVERLOAD : DROP_OVERLOAD;
  return tellByHeader ? reply.alsoModify((to) => to.set(name, 'true')) : reply;
}

export function maintenanceReply(tellByHeader: boolean): RouterReply {
  const reply = new RouterReply(
    503,
    'maintenance mode',
    'maintenance_mode',
    ResponseFlag.UpstreamOverflow,
  );
  return tellByHeader ? reply.alsoModify((to) => to.set(H.xEnvoyOverloaded, 'true')) : reply;
}

export const resetReply = (
  reason: StreamResetReason,
  transportFailureReason: string,
  request: {
    readonly retried: boolean;
    readonly responseStarted: boolean;
    /** By `x-envoy-overloaded`, where a breaker refused. */
    readonly tellOverload: boolean;
  },
): RouterReply => {
  const reply = new RouterReply(
    statusOfReset(reason),
    bodyOfReset(reason, request.retried),
    detailsOfReset(reason, transportFailureReason, request.responseStarted),
    flagOfReset(reason),
  );
  if (reason === StreamResetReason.Overflow && request.tellOverload)
    reply.alsoModify((to) => to.set(H.xEnvoyOverloaded, 'true'));
  return reply;
};

export const maxStreamDurationReply = (requestComplete: boolean): RouterReply =>
  new RouterReply(
    requestComplete ? 504 : 408,
    'upstream max stream duration reached',
    'upstream_max_stream_duration_reached',
    ResponseFlag.UpstreamMaxStreamDurationReached,
  );

/** `alternate`: the client asked for 204 instead of 504. */
export const timeoutReply = (alternate: boolean, details: string): RouterReply =>
  new RouterReply(
    alternate ? 204 : 504,
    alternate ? '' : 'upstream request timeout',
    details,
    ResponseFlag.UpstreamRequestTimeout,
  );

/** Status and headers of the upstream, without its body. */
export const handshakeFailedReply = (upstream: ResponseHeaders): RouterReply =>
  new RouterReply(upstream.status, '', 'websocket_handshake_unsuccessful', undefined).alsoModify(
    (to) => {
      for (let i = 0; i < upstream.size; i++) {
        const name = upstream.nameAt(i);
        // The reply has no body: the upstream's framing is not ours.
        if (name === H.contentLength || name === H.transferEncoding) continue;
        to.push(name, upstream.valueAt(i));
      }
    },
  );
