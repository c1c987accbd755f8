// [w] The replies the connection manager makes of its own: one function for each, or for each family.
import { ResponseFlag } from '../stream-info/response-flags.ts';
import type { CodecError } from './codec-error.ts';
import { H } from './headers.ts';
import type { LocalReply } from './http-filter.ts';

/** gRPC status of a stream that lasted too long. */
const DEADLINE_EXCEEDED = 4;

function plainReply(
  status: number,
  body: string,
  details: string,
  flag?: ResponseFlag,
): LocalReply {
  return { status, body, details, flag, grpcStatus: undefined, modifyHeaders: undefined };
}

/** Without a body. */
export const refusal = (status: number, details: string): LocalReply =>
  plainReply(status, '', details);

export const codecErrorReply = (error: CodecError): LocalReply =>
  plainReply(error.status, error.body, error.details, ResponseFlag.DownstreamProtocolError);

export const largeRequestReply = (): LocalReply =>
  plainReply(413, 'Payload Too Large', 'request_payload_too_large');

export const largeResponseReply = (): LocalReply =>
  plainReply(500, 'Internal Server Error', 'response_payload_too_large');

/** To the path as it should have been written. */
export const normalizedPathRedirect = (path: string): LocalReply => ({
  ...plainReply(307, '', 'path_normalization_failed'),
  modifyHeaders: (reply) => reply.push(H.location, path),
});

/** 408 while the request still comes, 504 after (envoy-behaviour §1.9). */
const lateStatus = (requestComplete: boolean): number => (requestComplete ? 504 : 408);

export const idleTimeoutReply = (requestComplete: boolean): LocalReply =>
  plainReply(
    lateStatus(requestComplete),
    'stream timeout',
    'stream_idle_timeout',
    ResponseFlag.StreamIdleTimeout,
  );

export const requestTimeoutReply = (requestComplete: boolean): LocalReply =>
  plainReply(lateStatus(requestComplete), 'request timeout', 'request_overall_timeout');

export const maxDurationReply = (requestComplete: boolean): LocalReply => ({
  ...plainReply(lateStatus(requestComplete), 'downstream duration timeout', 'max_duration_timeout'),
  grpcStatus: DEADLINE_EXCEEDED,
});
