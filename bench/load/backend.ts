// The server behind the proxies: nginx where it is installed, else raw-backend.ts. It must never be what limits a run.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import type { LoadCase } from './cases.ts';
import { findProgram } from './find-program.ts';
import { RunningProcess } from './running-process.ts';

export interface BackendRequest {
  readonly dir: string;
  readonly port: number;
  readonly responseBytes: number;
  readonly origin?: LoadCase['origin'];
  readonly env: NodeJS.ProcessEnv;
  readonly cpus: string | undefined;
  /** Default 127.0.0.1 alone. */
  readonly addresses?: readonly string[];
}

/** nginx takes no longer text than 4 KB in its file; larger answers are a file in the page cache. */
const MAX_INLINE_BYTES = 3_000;

function location({ dir, responseBytes }: BackendRequest): string {
  if (responseBytes <= MAX_INLINE_BYTES) return `return 200 "${'x'.repeat(responseBytes)}";`;
  mkdirSync(join(dir, 'www'), { recursive: true });
  writeFileSync(join(dir, 'www/body'), 'x'.repeat(responseBytes));
  return `root ${dir}/www; try_files /body =500;`;
}

function nginxConfig(request: BackendRequest): string {
  const { dir, port, addresses = ['127.0.0.1'] } = request;
  const listens = addresses.map((address) => `listen ${address}:${port} backlog=4096;`);
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  return `${user}
daemon off; worker_processes 1; pid ${dir}/backend-${port}.pid; error_log ${dir}/backend-error.log error;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s; sendfile on; tcp_nopush on;
  client_body_temp_path ${dir}/backend-body; proxy_temp_path ${dir}/backend-proxy;
  fastcgi_temp_path ${dir}/backend-fcgi; uwsgi_temp_path ${dir}/backend-uwsgi; scgi_temp_path ${dir}/backend-scgi;
  open_file_cache max=10;
  server { ${listens.join(' ')} default_type text/plain; location / { ${location(request)} } }
}
`;
}

/** nghttpd; for gRPC it sends a message of the right length and the status that all calls end with. */
function nghttpdCommand(request: BackendRequest): { command: string; args: string[] } {
  const { dir, port, origin, responseBytes, env } = request;
  const command = findProgram('nghttpd', env);
  if (command === undefined) throw new Error('nghttpd (nghttp2-server) is not installed');
  const files = join(dir, `h2-${port}`);
  mkdirSync(join(files, dirname(GRPC_PATH)), { recursive: true });
  writeFileSync(join(files, 'index.html'), 'x'.repeat(responseBytes));
  writeFileSync(join(files, GRPC_PATH), grpcFrame(responseBytes));
  const words = ['--no-tls', '-n', '1', '-m', '1000', '-d', files];
  if (origin === 'grpc') words.push('--trailer', 'grpc-status: 0');
  return { command, args: [...words, String(port)] };
}

export const GRPC_PATH = '/bench.Echo/Unary';

/** One message that makes up `bytes` with its prefix. */
export function grpcFrame(bytes: number): Buffer {
  const frame = Buffer.alloc(bytes, 'x');
  frame[0] = 0;
  frame.writeUInt32BE(bytes - 5, 1);
  return frame;
}

async function startHttp2Backend(
  request: BackendRequest,
): Promise<{ process: RunningProcess; kind: string }> {
  const streams = request.origin === 'grpc-streams';
  const { command, args } = streams
    ? { command: process.execPath, args: [GRPC_STREAMS, 'serve', String(request.port)] }
    : nghttpdCommand(request);
  const backend = new RunningProcess({
    name: 'backend',
    command,
    args,
    logFile: join(request.dir, 'backend.log'),
    cpus: request.cpus,
  });
  await backend.waitForPort(request.port, 20_000);
  return { process: backend, kind: streams ? 'node' : 'nghttpd' };
}

const GRPC_STREAMS = join(import.meta.dirname, 'grpc-streams.ts');

/** Resolves once it listens. */
export async function startBackend(
  request: BackendRequest,
): Promise<{ process: RunningProcess; kind: string }> {
  if (request.origin !== undefined) return startHttp2Backend(request);
  const nginx = findProgram('nginx', request.env);
  const logFile = join(request.dir, 'backend.log');
  let command = process.execPath;
  let args = [
    join(import.meta.dirname, 'raw-backend.ts'),
    String(request.port),
    String(request.responseBytes),
    ...(request.addresses ?? ['127.0.0.1']),
  ];
  if (nginx !== undefined) {
    const config = join(request.dir, `backend-${request.port}.conf`);
    writeFileSync(config, nginxConfig(request));
    command = nginx;
    args = ['-c', config];
  }
  const backend = new RunningProcess({
    name: 'backend',
    command,
    args,
    logFile,
    cpus: request.cpus,
  });
  await backend.waitForPort(request.port, 20_000);
  return { process: backend, kind: nginx === undefined ? 'node' : 'nginx' };
}
