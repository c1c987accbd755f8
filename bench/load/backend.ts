// The server behind the proxies: nginx where it is installed, else raw-backend.ts. It must never be what limits a run.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { findProgram } from './find-program.ts';
import { RunningProcess } from './running-process.ts';

export interface BackendRequest {
  readonly dir: string;
  readonly port: number;
  readonly responseBytes: number;
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

/** Resolves once it listens. */
export async function startBackend(
  request: BackendRequest,
): Promise<{ process: RunningProcess; kind: string }> {
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
