// [m] MessageStream: typed messages over a gRPC stream, whoever carries it.
import type { StreamStatus } from './ads-stream.ts';
import { statusCode } from './ads-stream.ts';
import { decode, encode } from './codec.ts';
import type { MessageTypes } from './gen/message-types.ts';
import type { GrpcChannel, GrpcStream } from './grpc-channel.ts';
import { ProtoError } from './proto-error.ts';

export interface StreamMethod<
  Request extends keyof MessageTypes,
  Response extends keyof MessageTypes,
> {
  readonly path: string;
  readonly request: Request;
  readonly response: Response;
}

export const ACCESS_LOG_METHOD = {
  path: '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs',
  request: 'envoy.service.accesslog.v3.StreamAccessLogsMessage',
  response: 'envoy.service.accesslog.v3.StreamAccessLogsResponse',
} as const;

export interface MessageListener<Received> {
  onMessage(message: Received): void;
  onDrain(): void;
  /** Once, with nothing after it, unless this end cancelled. */
  onEnd(status: StreamStatus): void;
}

export interface MessageStream<Sent> {
  /** As GrpcStream.send(). */
  send(message: Sent): boolean;
  end(): void;
  cancel(): void;
}

const NO_METADATA: ReadonlyMap<string, string> = new Map();

/** A message that is none ends the stream with INTERNAL. */
export function openMessageStream<
  Request extends keyof MessageTypes,
  Response extends keyof MessageTypes,
>(
  channel: GrpcChannel,
  method: StreamMethod<Request, Response>,
  listener: MessageListener<MessageTypes[Response]>,
  metadata = NO_METADATA,
): MessageStream<MessageTypes[Request]> {
  const stream: GrpcStream = channel.open(method.path, metadata, {
    onMessage(bytes) {
      const message = tryDecode(method.response, bytes);
      if (!(message instanceof ProtoError)) {
        listener.onMessage(message);
        return;
      }
      stream.cancel();
      listener.onEnd({ code: statusCode.internal, reason: message.message });
    },
    onDrain: () => listener.onDrain(),
    onEnd: (status) => listener.onEnd(status),
  });
  return {
    send: (message) => stream.send(encode(method.request, message)),
    end: () => stream.end(),
    cancel: () => stream.cancel(),
  };
}

/** A ProtoError: the bytes are no such message. */
export function tryDecode<K extends keyof MessageTypes>(
  type: K,
  bytes: Uint8Array,
): MessageTypes[K] | ProtoError {
  try {
    return decode(type, bytes);
  } catch (error) {
    if (error instanceof ProtoError) return error;
    throw error;
  }
}
