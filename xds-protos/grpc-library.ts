// [m] What every connection and server over @grpc/grpc-js has in common: options, credentials, (de)serialising, streams and their ends. With
// its siblings (services.ts, *-service.ts, grpc-server.ts) the only importer of that library, which is large; the proxy speaks gRPC
// on its own codec (grpc-channel.ts).
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import {
  statusCode,
  type AdsServerStream,
  type AdsStream,
  type StreamStatus,
} from './ads-stream.ts';
import { decode, encode, maxMessageBytes } from './codec.ts';
import type { MessageTypes } from './gen/message-types.ts';
import type { ClientTls } from './grpc-channel.ts';
import type { StreamMethod } from './message-stream.ts';

export interface ConnectionOptions {
  /** A ping goes out after this much silence. Default 30 000, as Istio's agents do. */
  readonly keepaliveIntervalMs?: number | undefined;
  /** The connection is dead when the ping has no answer for so long. Default 10 000. */
  readonly keepaliveTimeoutMs?: number | undefined;
  /** A larger message ends its stream with RESOURCE_EXHAUSTED. Default 256 MiB. */
  readonly maxReceiveBytes?: number | undefined;
  /** Absent: plaintext. */
  readonly tls?: ClientTls | undefined;
}

/** Headers that a client sends when a stream opens. */
export type StreamHeaders = ReadonlyMap<string, string>;

/** As Istio's agents: one CDS answer of a large mesh has to fit without stops. */
const flowControlWindowBytes = 1024 * 1024;

// gRPC would write to stderr on its own; every failure reaches the user as a status or a rejection.
grpc.setLogVerbosity(grpc.logVerbosity.NONE);

export type MessageName = keyof MessageTypes;

export function serializer<K extends MessageName>(type: K): (message: MessageTypes[K]) => Buffer {
  return (message) => {
    const bytes = encode(type, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

export function deserializer<K extends MessageName>(type: K): (bytes: Buffer) => MessageTypes[K] {
  return (bytes) => decode(type, bytes);
}

export function channelOptions(options: ConnectionOptions): grpc.ChannelOptions {
  return {
    'grpc.keepalive_time_ms': options.keepaliveIntervalMs ?? 30_000,
    'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs ?? 10_000,
    'grpc.max_receive_message_length': options.maxReceiveBytes ?? maxMessageBytes,
    'grpc.max_send_message_length': -1,
    'grpc-node.flow_control_window': flowControlWindowBytes,
  };
}

export const clientOptions = (options: ConnectionOptions): grpc.ChannelOptions => ({
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

export class ClientStream<Sent, Received>
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

export class ServerStream<Sent, Received>
  extends StreamBase<Sent, Received>
  implements AdsServerStream<Sent, Received>
{
  readonly peer: string;
  readonly peerCertificate: Uint8Array | undefined;
  readonly #call: grpc.ServerDuplexStream<Received, Sent>;

  constructor(call: grpc.ServerDuplexStream<Received, Sent>) {
    super(call);
    this.#call = call;
    this.peer = call.getPeer();
    this.peerCertificate = call.getAuthContext().sslPeerCertificate?.raw;
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

/** SNI carries names only; an address is checked against the certificate all the same. */
const SNI_FOR_ADDRESSES = 'istiod';

export function connect(
  target: string,
  options: ConnectionOptions,
  more: grpc.ChannelOptions = {},
): grpc.Client {
  const { tls } = options;
  if (tls === undefined) {
    const plain = grpc.credentials.createInsecure();
    return new grpc.Client(target, plain, { ...clientOptions(options), ...more });
  }
  const host = /^\[?(.*?)\]?:[0-9]+$/.exec(target)?.[1] ?? target;
  const name = tls.serverName ?? host;
  const { identity, rootPem } = tls;
  const credentials = grpc.credentials.createSsl(
    Buffer.from(rootPem),
    identity === undefined ? null : Buffer.from(identity.keyPem),
    identity === undefined ? null : Buffer.from(identity.chainPem),
    { checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate) },
  );
  return new grpc.Client(target, credentials, {
    ...clientOptions(options),
    'grpc.ssl_target_name_override': isIP(name) === 0 ? name : SNI_FOR_ADDRESSES,
    ...more,
  });
}

export function metadataOf(headers: StreamHeaders): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of headers) metadata.set(name, value);
  return metadata;
}

export function openStream<Request extends MessageName, Response extends MessageName>(
  client: grpc.Client,
  method: StreamMethod<Request, Response>,
  headers: StreamHeaders = new Map(),
): AdsStream<MessageTypes[Request], MessageTypes[Response]> {
  return new ClientStream(
    client.makeBidiStreamRequest(
      method.path,
      serializer(method.request),
      deserializer(method.response),
      metadataOf(headers),
    ),
  );
}

export function methodDefinition<Request extends MessageName, Response extends MessageName>(
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
