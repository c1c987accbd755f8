// [m] One grpc.health.v1.Health/Check call for an app's gRPC probe; two fields do not need a protobuf library.
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import type { TcpNetConnectOpts } from 'node:net';

import { FieldScanner, VARINT } from '../../proxy/base/protobuf-scanner.ts';
import { ProtobufWriter } from '../../proxy/base/protobuf-writer.ts';

export interface HealthQuestion {
  readonly target: TcpNetConnectOpts;
  /** '' for the server as a whole. */
  readonly service: string;
  /** Of the kubelet; apps know its probes by it. */
  readonly userAgent: string | undefined;
  readonly timeoutMs: number;
}

type Done = (problem: string | undefined) => void;

const FRAME_HEADER_BYTES = 5;
const MAX_ANSWER_BYTES = 4096;
const STATUS_FIELD = 1;
const SERVING = 1;
/** HealthCheckResponse.ServingStatus. */
const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const UNIMPLEMENTED = '12';

/** HealthCheckRequest{service} in one uncompressed gRPC frame. */
function encodeRequest(service: string): Buffer {
  const writer = new ProtobufWriter();
  if (service !== '') writer.bytes(1, Buffer.from(service, 'utf8'));
  const message = writer.finish();
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

/** HealthCheckResponse.status. Undefined: no such message. */
function decodeStatus(frame: Buffer): number | undefined {
  if (frame.length < FRAME_HEADER_BYTES || frame[0] !== 0) return undefined;
  const end = FRAME_HEADER_BYTES + frame.readUInt32BE(1);
  if (frame.length !== end) return undefined;
  const fields = new FieldScanner(frame.subarray(FRAME_HEADER_BYTES));
  let status = 0;
  while (fields.next()) {
    if (fields.number === STATUS_FIELD && fields.wireType === VARINT) status = fields.varint;
  }
  return fields.failed ? undefined : status;
}

function judge(answer: Buffer, grpcStatus: string | undefined): string | undefined {
  if (grpcStatus === UNIMPLEMENTED)
    return 'the app does not implement grpc.health.v1.Health (grpc status 12)';
  if (grpcStatus !== undefined && grpcStatus !== '0') return `grpc status ${grpcStatus}`;
  const status = decodeStatus(answer);
  if (status === SERVING) return undefined;
  return status === undefined
    ? 'the answer is no HealthCheckResponse'
    : `the service says ${STATUSES[status] ?? `status ${status}`}`;
}

function readAnswer(stream: ClientHttp2Stream, done: Done): void {
  const chunks: Buffer[] = [];
  let size = 0;
  let grpcStatus: string | undefined;
  const onHeaders = (headers: { readonly 'grpc-status'?: string | string[] | undefined }): void => {
    const status = headers['grpc-status'];
    if (typeof status === 'string') grpcStatus = status;
  };
  stream.on('response', onHeaders);
  stream.on('trailers', onHeaders);
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) done('the answer is too long');
    else chunks.push(chunk);
  });
  stream.on('error', (error) => done(error.message));
  stream.on('end', () => done(judge(Buffer.concat(chunks), grpcStatus)));
}

function authorityOf({ host, port }: TcpNetConnectOpts): string {
  const name = host ?? 'localhost';
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

/** Undefined: SERVING; else the reason. */
export async function checkGrpcHealth(question: HealthQuestion): Promise<string | undefined> {
  const { target, service, userAgent, timeoutMs } = question;
  const http2 = process.getBuiltinModule('node:http2');
  return new Promise((resolve) => {
    const session: ClientHttp2Session = http2.connect(authorityOf(target), {
      createConnection: () => connectTcp(target),
    });
    const timer = setTimeout(() => done(`no answer within ${timeoutMs} ms`), timeoutMs);
    const done: Done = (problem) => {
      clearTimeout(timer);
      session.destroy();
      resolve(problem);
    };
    session.on('error', (error) => done(error.message));
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      ...(userAgent === undefined ? {} : { 'user-agent': userAgent }),
      te: 'trailers',
    });
    readAnswer(stream, done);
    stream.end(encodeRequest(service));
  });
}
