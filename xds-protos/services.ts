// [m] ADS clients and servers over @grpc/grpc-js (xds-protocol, "Aggregated Discovery Service"): the agent, the control plane, tests.
// The only importer of that library, which is large; the proxy speaks gRPC on its own codec (grpc-channel.ts).
import * as grpc from '@grpc/grpc-js';
import {
  statusCode,
  type AdsServerStream,
  type AdsStream,
  type DeltaClientStream,
  type DeltaServerStream,
  type SotwClientStream,
  type SotwServerStream,
  type StreamStatus,
} from './ads-stream.ts';
import { decode, encode, maxMessageBytes } from './codec.ts';
import type { MessageTypes } from './gen/message-types.ts';
import { DELTA_METHOD, SOTW_METHOD } from './message-stream.ts';
import type { StreamMethod } from './message-stream.ts';

// Not imported: the ES facade of node:fs costs 0.9 MB private.
const fs = process.getBuiltinModule('node:fs');

export interface ConnectionOptions {
  /** A ping goes out after this much silence. Default 30 000, as Istio's agents do. */
  readonly keepaliveIntervalMs?: number | undefined;
  /** The connection is dead when the ping has no answer for so long. Default 10 000. */
  readonly keepaliveTimeoutMs?: number | undefined;
  /** A larger message ends its stream with RESOURCE_EXHAUSTED. Default 256 MiB. */
  readonly maxReceiveBytes?: number | undefined;
}

/** Headers that a client sends when a stream opens. */
export type StreamHeaders = ReadonlyMap<string, string>;

export interface AdsConnection {
  delta(headers?: StreamHeaders): DeltaClientStream;
  sotw(headers?: StreamHeaders): SotwClientStream;
  /** Closes the connection once its streams have ended; cancel them first. */
  close(): void;
}

export interface AdsHandlers {
  /** A client opened DeltaAggregatedResources. */
  delta(stream: DeltaServerStream): void;
  /** A client opened StreamAggregatedResources. */
  sotw(stream: SotwServerStream): void;
}

/** As Istio's agents: one CDS answer of a large mesh has to fit without stops. */
const flowControlWindowBytes = 1024 * 1024;

// gRPC would write to stderr on its own; every failure reaches the user as a status or a rejection.
grpc.setLogVerbosity(grpc.logVerbosity.NONE);

type MessageName = keyof MessageTypes;

function serializer<K extends MessageName>(type: K): (message: MessageTypes[K]) => Buffer {
  return (message) => {
    const bytes = encode(type, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function deserializer<K extends MessageName>(type: K): (bytes: Buffer) => MessageTypes[K] {
  return (bytes) => decode(type, bytes);
}

function channelOptions(options: ConnectionOptions): grpc.ChannelOptions {
  return {
    'grpc.keepalive_time_ms': options.keepaliveIntervalMs ?? 30_000,
    'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs ?? 10_000,
    'grpc.max_receive_message_length': options.maxReceiveBytes ?? maxMessageBytes,
    'grpc.max_send_message_length': -1,
    'grpc-node.flow_control_window': flowControlWindowBytes,
  };
}

const clientOptions = (options: ConnectionOptions): grpc.ChannelOptions => ({
  ...channelOptions(options),
  // Users back off by themselves; the channel must not hold their next try back for long.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.service_config_disable_resolution': 1,
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
});

function copyMetadata(metadata: grpc.Metadata, into: Map<string, string>): void {
  for (const [name, value] of Object.entries(metadata.getMap())) {
    if (typeof value === 'string') into.set(name, value);
  }
}

/** What both ends share: listeners, and that nothing is called after the end. */
class StreamBase<Sent, Received> {
  readonly metadata = new Map<string, string>();
  #isDone = false;
  #endListener: ((status: StreamStatus) => void) | undefined;
  readonly #call: grpc.ClientDuplexStream<Sent, Received> | grpc.ServerDuplexStream<Received, Sent>;

  constructor(
    call: grpc.ClientDuplexStream<Sent, Received> | grpc.ServerDuplexStream<Received, Sent>,
  ) {
    this.#call = call;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  onMessage(listener: (message: Received) => void): void {
    this.#call.on('data', (message: Received) => {
      if (!this.#isDone) listener(message);
    });
  }

  onEnd(listener: (status: StreamStatus) => void): void {
    this.#endListener = listener;
  }

  onDrain(listener: () => void): void {
    this.#call.on('drain', () => {
      if (!this.#isDone) listener();
    });
  }

  send(message: Sent): boolean {
    return this.#isDone ? true : this.#call.write(message);
  }

  /** From here on no listener is called. False when that was so before. */
  markDone(): boolean {
    if (this.#isDone) return false;
    this.#isDone = true;
    return true;
  }

  ended(status: StreamStatus): void {
    if (this.markDone()) this.#endListener?.(status);
  }
}

class ClientStream<Sent, Received>
  extends StreamBase<Sent, Received>
  implements AdsStream<Sent, Received>
{
  readonly #call: grpc.ClientDuplexStream<Sent, Received>;

  constructor(call: grpc.ClientDuplexStream<Sent, Received>) {
    super(call);
    this.#call = call;
    call.on('metadata', (metadata) => copyMetadata(metadata, this.metadata));
    // Every failure also arrives as a status.
    call.on('error', () => {});
    call.on('status', ({ code, details }) => {
      const status = { code, reason: details };
      // Messages that came before the status may still stand in the queue.
      if (call.readableFlowing === true && !call.readableEnded)
        call.on('end', () => this.ended(status));
      else this.ended(status);
    });
  }

  cancel(): void {
    if (this.markDone()) this.#call.cancel();
  }
}

class ServerStream<Sent, Received>
  extends StreamBase<Sent, Received>
  implements AdsServerStream<Sent, Received>
{
  readonly peer: string;
  readonly #call: grpc.ServerDuplexStream<Received, Sent>;

  constructor(call: grpc.ServerDuplexStream<Received, Sent>) {
    super(call);
    this.#call = call;
    this.peer = call.getPeer();
    copyMetadata(call.metadata, this.metadata);
    call.on('cancelled', () => {
      this.ended({ code: statusCode.cancelled, reason: 'the client went away' });
    });
    // A request that does not decode: gRPC answers with the status itself.
    call.on('error', (error: Error & { code?: unknown }) => {
      const code = typeof error.code === 'number' ? error.code : statusCode.internal;
      this.ended({ code, reason: error.message });
    });
    call.on('end', () => {
      this.ended({ code: statusCode.ok, reason: 'the client ended the stream' });
      call.end();
    });
  }

  cancel(): void {
    this.end({ code: statusCode.cancelled, reason: '' });
  }

  end(status: StreamStatus = { code: statusCode.ok, reason: '' }): void {
    if (!this.markDone()) return;
    if (status.code === statusCode.ok) this.#call.end();
    else this.#call.emit('error', { code: status.code, details: status.reason });
  }
}

/**
 * A connection to an ADS server, opened with its first stream and again, when it broke, with the next. Target: `host:port`,
 * `unix:/path` or `unix:path`. Plaintext. When the server cannot be reached the stream ends with UNAVAILABLE.
 */
export function connectAds(target: string, options: ConnectionOptions = {}): AdsConnection {
  const client = new grpc.Client(target, grpc.credentials.createInsecure(), clientOptions(options));
  return {
    delta: (headers) => openStream(client, DELTA_METHOD, headers),
    sotw: (headers) => openStream(client, SOTW_METHOD, headers),
    close: () => client.close(),
  };
}

function openStream<Request extends MessageName, Response extends MessageName>(
  client: grpc.Client,
  method: StreamMethod<Request, Response>,
  headers: StreamHeaders = new Map(),
): AdsStream<MessageTypes[Request], MessageTypes[Response]> {
  const metadata = new grpc.Metadata();
  for (const [name, value] of headers) metadata.set(name, value);
  return new ClientStream(
    client.makeBidiStreamRequest(
      method.path,
      serializer(method.request),
      deserializer(method.response),
      metadata,
    ),
  );
}

function methodDefinition<Request extends MessageName, Response extends MessageName>(
  method: StreamMethod<Request, Response>,
): grpc.MethodDefinition<MessageTypes[Request], MessageTypes[Response]> {
  return {
    path: method.path,
    requestStream: true,
    responseStream: true,
    requestSerialize: serializer(method.request),
    requestDeserialize: deserializer(method.request),
    responseSerialize: serializer(method.response),
    responseDeserialize: deserializer(method.response),
  };
}

export class AdsServer {
  readonly #server: grpc.Server;

  constructor(options: ConnectionOptions = {}) {
    this.#server = new grpc.Server(channelOptions(options));
  }

  /** Once, before `listen`. */
  addHandlers(handlers: AdsHandlers): void {
    const definition = {
      StreamAggregatedResources: methodDefinition(SOTW_METHOD),
      DeltaAggregatedResources: methodDefinition(DELTA_METHOD),
    };
    const onDelta: grpc.handleBidiStreamingCall<
      MessageTypes[typeof DELTA_METHOD.request],
      MessageTypes[typeof DELTA_METHOD.response]
    > = (call) => handlers.delta(new ServerStream(call));
    const onSotw: grpc.handleBidiStreamingCall<
      MessageTypes[typeof SOTW_METHOD.request],
      MessageTypes[typeof SOTW_METHOD.response]
    > = (call) => handlers.sotw(new ServerStream(call));
    this.#server.addService(definition, {
      DeltaAggregatedResources: onDelta,
      StreamAggregatedResources: onSotw,
    });
  }

  /**
   * Takes what `connectAds` takes; port 0 picks a free one. Resolves with the target that clients connect to. A socket file left
   * behind at a unix path is replaced. Rejects when the address cannot be bound.
   */
  async listen(target: string): Promise<string> {
    const unixPath = unixPathOf(target);
    if (unixPath !== undefined) removeStaleSocket(unixPath);
    const port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(target, grpc.ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
    return unixPath === undefined ? target.replace(/:\d+$/, `:${port}`) : target;
  }

  /** Drops every stream and stops listening. */
  close(): void {
    this.#server.forceShutdown();
  }
}

function unixPathOf(target: string): string | undefined {
  if (target.startsWith('unix://')) return target.slice('unix://'.length);
  return target.startsWith('unix:') ? target.slice('unix:'.length) : undefined;
}

function removeStaleSocket(path: string): void {
  const found = fs.lstatSync(path, { throwIfNoEntry: false });
  if (found?.isSocket() === true) fs.unlinkSync(path);
}
