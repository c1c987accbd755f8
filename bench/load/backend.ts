// The server behind the proxies: nginx where it is installed, else raw-backend.ts. It must never be what limits a run.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { findProgram } from './find-program.ts';
import { RunningProcess } from './running-process.ts';

export interface BackendRequest {
  readonly dir: string;
  readonly port: number;
  readonly responseBytes: number;
  readonly env: NodeJS.ProcessEnv;
  readonly cpus: string | undefined;
}

function nginxConfig({ dir, port, responseBytes }: BackendRequest): string {
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  return `${user}
daemon off; worker_processes 1; pid ${dir}/backend.pid; error_log ${dir}/backend-error.log error;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s;
  client_body_temp_path ${dir}/backend-body; proxy_temp_path ${dir}/backend-proxy;
  fastcgi_temp_path ${dir}/backend-fcgi; uwsgi_temp_path ${dir}/backend-uwsgi; scgi_temp_path ${dir}/backend-scgi;
  server { listen 127.0.0.1:${port}; default_type text/plain; location / { return 200 "${'x'.repeat(responseBytes)}"; } }
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
  ];
  if (nginx !== undefined) {
    const config = join(request.dir, 'backend.conf');
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
