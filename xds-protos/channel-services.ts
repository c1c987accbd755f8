// [m] ADS and SDS, client and server, for who carries gRPC himself (grpc-channel.ts): the agent. The same faces as services.ts has over the library.
import { statusCode } from './ads-stream.ts';
import type { AdsServerStream, AdsStream, StreamStatus } from './ads-stream.ts';
import { encode } from './codec.ts';
import { deltaMethod, sotwMethod } from './discovery-methods.ts';
import type { MessageTypes } from './gen/message-types.ts';
import type { GrpcCall, GrpcChannel, GrpcMethod, GrpcStreamListener } from './grpc-channel.ts';
import { openMessageStream, tryDecode } from './message-stream.ts';
import type { MessageListener, MessageStream, StreamMethod } from './message-stream.ts';
import { ProtoError } from './proto-error.ts';
import type { AdsConnection, AdsHandlers } from './services.ts';

type MessageName = keyof MessageTypes;
type Service = 'aggregated' | 'secrets';

export function adsConnection(
  channel: GrpcChannel,
  service: Service = 'aggregated',
): AdsConnection {
  return {
    delta: (headers) => new ClientStream(channel, deltaMethod(service), headers),
    sotw: (headers) => new ClientStream(channel, sotwMethod(service), headers),
    close: () => channel.close(),
  };
}

/** For a server, by path. */
export function adsMethods(
  handlers: AdsHandlers,
  service: Service = 'aggregated',
): ReadonlyMap<string, GrpcMethod> {
  const delta = deltaMethod(service);
  const sotw = sotwMethod(service);
  return new Map([
    [delta.path, (call) => answering(call, delta, (stream) => handlers.delta(stream))],
    [sotw.path, (call) => answering(call, sotw, (stream) => handlers.sotw(stream))],
  ]);
}

/** Who listens to a stream; of either end. */
class Listeners<Received> implements MessageListener<Received> {
  message: ((message: Received) => void) | undefined;
  end: ((status: StreamStatus) => void) | undefined;
  drain: (() => void) | undefined;

  onMessage(message: Received): void {
    this.message?.(message);
  }

  onEnd(status: StreamStatus): void {
    this.end?.(status);
  }

  onDrain(): void {
    this.drain?.();
  }
}

abstract class Listened<Received> {
  protected readonly listeners: Listeners<Received>;

  constructor(listeners: Listeners<Received>) {
    this.listeners = listeners;
  }

  onMessage(listener: (message: Received) => void): void {
    this.listeners.message = listener;
  }

  onEnd(listener: (status: StreamStatus) => void): void {
    this.listeners.end = listener;
  }

  onDrain(listener: () => void): void {
    this.listeners.drain = listener;
  }
}

class ClientStream<Request extends MessageName, Response extends MessageName>
  extends Listened<MessageTypes[Response]>
  implements AdsStream<MessageTypes[Request], MessageTypes[Response]>
{
  /** Nobody asks what a control plane sent as headers. */
  readonly metadata: ReadonlyMap<string, string> = new Map();
  readonly #stream: MessageStream<MessageTypes[Request]>;

  constructor(
    channel: GrpcChannel,
    method: StreamMethod<Request, Response>,
    headers: ReadonlyMap<string, string> | undefined,
  ) {
    super(new Listeners());
    this.#stream = openMessageStream(channel, method, this.listeners, headers);
  }

  send(message: MessageTypes[Request]): boolean {
    return this.#stream.send(message);
  }

  cancel(): void {
    this.#stream.cancel();
  }
}

class ServerStream<Request extends MessageName, Response extends MessageName>
  extends Listened<MessageTypes[Request]>
  implements AdsServerStream<MessageTypes[Response], MessageTypes[Request]>
{
  /** A unix socket has no address, and shows no certificate. */
  readonly peer = 'unknown';
  readonly peerCertificate = undefined;
  readonly metadata: ReadonlyMap<string, string>;
  readonly #call: GrpcCall;
  readonly #response: Response;

  constructor(call: GrpcCall, response: Response, listeners: Listeners<MessageTypes[Request]>) {
    super(listeners);
    this.metadata = call.metadata;
    this.#call = call;
    this.#response = response;
  }

  send(message: MessageTypes[Response]): boolean {
    return this.#call.send(encode(this.#response, message));
  }

  end(status: StreamStatus = { code: statusCode.ok, reason: '' }): void {
    this.#call.finish(status);
  }

  cancel(): void {
    this.end({ code: statusCode.cancelled, reason: '' });
  }
}

/** A message that is none ends the call with INTERNAL. */
function answering<Request extends MessageName, Response extends MessageName>(
  call: GrpcCall,
  method: StreamMethod<Request, Response>,
  begin: (stream: ServerStream<Request, Response>) => void,
): GrpcStreamListener {
  const listeners = new Listeners<MessageTypes[Request]>();
  begin(new ServerStream(call, method.response, listeners));
  return {
    onMessage(bytes) {
      const message = tryDecode(method.request, bytes);
      if (!(message instanceof ProtoError)) {
        listeners.onMessage(message);
        return;
      }
      const status = { code: statusCode.internal, reason: message.message };
      call.finish(status);
      listeners.onEnd(status);
    },
    onDrain: () => listeners.onDrain(),
    onEnd: (status) => listeners.onEnd(status),
  };
}
