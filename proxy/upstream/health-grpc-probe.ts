// [m] GrpcProbe: asks grpc.health.v1.Health/Check (envoy-behaviour §7.8).
import { FieldScanner, VARINT } from '../base/protobuf-scanner.ts';
import { ProtobufWriter } from '../base/protobuf-writer.ts';
import { formatGrpcTimeout } from '../http/grpc-timeout.ts';
import { RequestHeaders } from '../http/header-map.ts';
import type { HeaderMap, ResponseHeaders } from '../http/header-map.ts';
import { H } from '../http/headers.ts';
import { HealthClient } from './health-client.ts';
import type { HealthClientOwner, HealthClientSettings } from './health-client.ts';
import type { HealthDialer } from './health-dialer.ts';
import { ProbeResult } from './health-probe.ts';
import type { Probe, ProbeOwner } from './health-probe.ts';

const PATH = '/grpc.health.v1.Health/Check';
/** A flag and a length. */
const PREFIX_BYTES = 5;
/** An answer is a number; newer fields may follow. */
const MAX_ANSWER_BYTES = 65_536;
const SERVING = 1;

export interface GrpcCheck {
  readonly serviceName: string;
  readonly timeoutMs: number;
  readonly reuse: boolean;
  /** Of requests where the endpoint has none of its own. */
  readonly authority: string;
  readonly client: HealthClientSettings;
  readonly decorate: (headers: RequestHeaders) => void;
}

export class GrpcProbe implements Probe, HealthClientOwner {
  readonly #check: GrpcCheck;
  readonly #authority: string;
  readonly #scheme: string;
  readonly #owner: ProbeOwner;
  readonly #client: HealthClient;
  #response: ResponseHeaders | null = null;
  #body: Buffer[] = [];
  #bodyBytes = 0;
  #waiting = false;

  constructor(check: GrpcCheck, authority: string, dialer: HealthDialer, owner: ProbeOwner) {
    this.#check = check;
    this.#authority = authority === '' ? check.authority : authority;
    this.#scheme = dialer.secure ? 'https' : 'http';
    this.#owner = owner;
    this.#client = new HealthClient(dialer, check.client, this);
  }

  start(): void {
    const { decorate, timeoutMs, serviceName } = this.#check;
    const headers = new RequestHeaders();
    headers.method = 'POST';
    headers.path = PATH;
    headers.authority = this.#authority;
    headers.scheme = this.#scheme;
    headers.push(H.te, 'trailers');
    headers.push(H.contentType, 'application/grpc');
    headers.push(H.userAgent, 'Envoy/HC');
    headers.push(H.grpcTimeout, formatGrpcTimeout(timeoutMs));
    decorate(headers);
    this.#waiting = true;
    this.#response = null;
    this.#body = [];
    this.#bodyBytes = 0;
    this.#client.send(headers, request(serviceName));
  }

  abort(): void {
    this.#waiting = false;
    this.#client.abort();
  }

  close(): void {
    this.abort();
  }

  // === HealthClientOwner

  onConnectFailed(): void {
    this.#finish(ProbeResult.Network);
  }

  onResetStream(): void {
    this.#client.abort();
    this.#finish(ProbeResult.Network);
  }

  decode1xxHeaders(): void {}

  decodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.#response = headers;
    if (endStream) this.#complete(headers);
    else if (headers.status !== 200 || !isGrpc(headers)) this.#giveUp();
  }

  decodeData(chunk: Buffer, endStream: boolean): void {
    this.#bodyBytes += chunk.length;
    if (endStream || this.#bodyBytes > MAX_ANSWER_BYTES) this.#giveUp();
    else this.#body.push(Buffer.from(chunk));
  }

  decodeTrailers(trailers: HeaderMap): void {
    this.#complete(trailers);
  }

  onAboveWriteBufferHighWatermark(): void {}
  onBelowWriteBufferLowWatermark(): void {}

  /** The answer is none, whatever else comes. */
  #giveUp(): void {
    this.#client.abort();
    this.#finish(ProbeResult.Failed);
  }

  #complete(ending: HeaderMap): void {
    if (!this.#waiting) return;
    const fine =
      this.#response!.status === 200 &&
      ending.get(H.grpcStatus) === '0' &&
      servingIn(Buffer.concat(this.#body));
    this.#client.finish(this.#check.reuse);
    this.#finish(fine ? ProbeResult.Healthy : ProbeResult.Failed);
  }

  #finish(result: ProbeResult): void {
    if (!this.#waiting) return;
    this.#waiting = false;
    this.#body = [];
    this.#owner.onProbeResult(result, 0);
  }
}

const isGrpc = (headers: ResponseHeaders): boolean =>
  headers.get(H.contentType)?.startsWith('application/grpc') === true;

function request(serviceName: string): Buffer {
  const writer = new ProtobufWriter();
  writer.text(1, Buffer.from(serviceName).toString('latin1'));
  const message = writer.finish();
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** One message, not compressed, that says SERVING. */
function servingIn(body: Buffer): boolean {
  if (body.length < PREFIX_BYTES || body[0] !== 0) return false;
  if (body.readUInt32BE(1) !== body.length - PREFIX_BYTES) return false;
  const fields = new FieldScanner(body.subarray(PREFIX_BYTES));
  let status = 0;
  while (fields.next())
    if (fields.number === 1 && fields.wireType === VARINT) status = fields.varint;
  return !fields.failed && status === SERVING;
}
