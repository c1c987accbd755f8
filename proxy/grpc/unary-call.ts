// [m] One request, one answer: a gRPC call whose method streams nothing.
import { statusCode } from '../../xds-protos/ads-stream.ts';
import type { StreamStatus } from '../../xds-protos/ads-stream.ts';
import type { GrpcChannel } from '../../xds-protos/grpc-channel.ts';
import type { TimeSource } from '../base/clock.ts';

export interface UnaryCall {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** Names in lower case. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly message: Uint8Array;
  /** For the whole call, connecting included. */
  readonly timeoutMs: number;
}

export type UnaryAnswer =
  | { readonly ok: true; readonly message: Uint8Array }
  | { readonly ok: false; readonly status: StreamStatus };

const DEADLINE_EXCEEDED = 4;

/** Never rejects. */
export function callOnce(
  channel: GrpcChannel,
  { path, metadata, message, timeoutMs }: UnaryCall,
  time: TimeSource,
): Promise<UnaryAnswer> {
  return new Promise((resolve) => {
    let answer: Uint8Array | undefined;
    const headers = new Map([...metadata, ['grpc-timeout', `${timeoutMs}m`]]);
    const stream = channel.open(path, headers, {
      onMessage: (bytes) => {
        answer ??= bytes;
      },
      onDrain: () => {},
      onEnd: (status) => {
        timer.cancel();
        resolve(resultOf(status, answer));
      },
    });
    const timer = time.setTimer(() => {
      stream.cancel();
      const reason = `no answer within ${timeoutMs} ms`;
      resolve({ ok: false, status: { code: DEADLINE_EXCEEDED, reason } });
    }, timeoutMs);
    stream.send(message);
    stream.end();
  });
}

function resultOf(status: StreamStatus, message: Uint8Array | undefined): UnaryAnswer {
  if (status.code !== statusCode.ok) return { ok: false, status };
  if (message !== undefined) return { ok: true, message };
  const reason = 'the call ended without an answer';
  return { ok: false, status: { code: statusCode.internal, reason } };
}
