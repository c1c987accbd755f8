// [w] What an upstream reset means downstream: flag, status, body and details (envoy-behaviour §5.1).
import { StreamResetReason } from '../http/codec.ts';
import { ResponseFlag } from '../stream-info/response-flags.ts';

export function flagOfReset(reason: StreamResetReason): ResponseFlag {
  switch (reason) {
    case StreamResetReason.LocalConnectionFailure:
    case StreamResetReason.RemoteConnectionFailure:
    case StreamResetReason.ConnectionTimeout:
      return ResponseFlag.UpstreamConnectionFailure;
    case StreamResetReason.ConnectionTermination:
      return ResponseFlag.UpstreamConnectionTermination;
    case StreamResetReason.LocalReset:
      return ResponseFlag.LocalReset;
    case StreamResetReason.RemoteReset:
    case StreamResetReason.ConnectError:
    case StreamResetReason.RemoteRefusedStreamReset:
      return ResponseFlag.UpstreamRemoteReset;
    case StreamResetReason.Overflow:
      return ResponseFlag.UpstreamOverflow;
    case StreamResetReason.ProtocolError:
      return ResponseFlag.UpstreamProtocolError;
  }
}

export const statusOfReset = (reason: StreamResetReason): number =>
  reason === StreamResetReason.ProtocolError ? 502 : 503;

export const bodyOfReset = (reason: StreamResetReason, retried: boolean): string =>
  `upstream connect error or disconnect/reset before headers. ${retried ? 'retried and the latest ' : ''}reset reason: ${reason}`;

/** `upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}` */
export function detailsOfReset(
  reason: StreamResetReason,
  transportFailureReason: string,
  responseStarted: boolean,
): string {
  const when = responseStarted ? 'after' : 'before';
  const transport = transportFailureReason === '' ? '' : `|${underscored(transportFailureReason)}`;
  return `upstream_reset_${when}_response_started{${underscored(reason)}${transport}}`;
}

const underscored = (text: string): string => text.replaceAll(' ', '_');
