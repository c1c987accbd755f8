// [m] One grpc.health.v1.Health/Check call for an app's gRPC probe; two fields do not need a protobuf library.
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import type { TcpNetConnectOpts } from 'node:net';

const FRAME_HEADER_BYTES = 5;
const MAX_ANSWER_BYTES = 4096;
/** HealthCheckResponse{status: SERVING}: field 1, varint 1. */
const SERVING = Buffer.from([0x08, 0x01]);

/** HealthCheckRequest{service} in one uncompressed gRPC frame. */
function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service, 'utf8').subarray(0, 127);
  const message =
    name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

function judge(answer: Buffer, grpcStatus: string | undefined): string | undefined {
  if (grpcStatus !== undefined && grpcStatus !== '0') return `grpc status ${grpcStatus}`;
  const message = answer.subarray(FRAME_HEADER_BYTES);
  return message.equals(SERVING) ? undefined : 'the service does not say SERVING';
}

function readAnswer(stream: ClientHttp2Stream, done: (problem: string | undefined) => void): void {
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

/** Undefined: SERVING; else the reason. */
export async function checkGrpcHealth(
  target: TcpNetConnectOpts,
  service: string,
  timeoutMs: number,
): Promise<string | undefined> {
  const http2 = process.getBuiltinModule('node:http2');
  return new Promise((resolve) => {
    const authority = `http://${target.host ?? 'localhost'}:${target.port}`.replace(
      /\/\/([^/]*:.*):/,
      '//[$1]:',
    );
    const session: ClientHttp2Session = http2.connect(authority, {
      createConnection: () => connectTcp(target),
    });
    const timer = setTimeout(() => done(`no answer within ${timeoutMs} ms`), timeoutMs);
    const done = (problem: string | undefined): void => {
      clearTimeout(timer);
      session.destroy();
      resolve(problem);
    };
    session.on('error', (error) => done(error.message));
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    readAnswer(stream, done);
    stream.end(encodeRequest(service));
  });
}
