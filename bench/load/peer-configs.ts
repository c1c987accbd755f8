// The other proxies' configurations: a plain proxy with one worker, kept connections on both sides, and no log.
import type { PeerSetup } from './peers.ts';

/** `streamModule`: path of the module for TCP where it has to be loaded, else ''. */
export function nginxConfig(setup: PeerSetup, streamModule: string): string {
  const { listenPort, backendPort, dir } = setup;
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const head = `${user}
daemon off; worker_processes ${setup.case.workers ?? 1}; pid ${dir}/nginx.pid; error_log ${dir}/error.log error;
events { worker_connections 8192; }
`;
  if (setup.case.chain === 'tcp') {
    const load = streamModule === '' ? '' : `load_module ${streamModule};\n`;
    return `${load}${head}stream {
  server { listen 127.0.0.1:${listenPort} backlog=4096; proxy_pass 127.0.0.1:${backendPort}; proxy_timeout 1h; }
}
`;
  }
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `  ${kind}_temp_path ${dir}/${kind};`,
  );
  return `${head}http {
${temporary.join('\n')}
  access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s; client_body_buffer_size 64k;
  upstream backend { server 127.0.0.1:${backendPort}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${listenPort} backlog=4096;
    location / {
      proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_request_buffering off;
    }
  }
}
`;
}

export const haproxyConfig = ({ listenPort, backendPort, case: load }: PeerSetup): string => `global
  nbthread ${load.workers ?? 1}
  maxconn 8192
defaults
  mode ${load.chain === 'tcp' ? 'tcp' : 'http'}
  timeout connect 10s
  timeout client 1h
  timeout server 1h
${load.chain === 'tcp' ? '' : '  http-reuse always\n'}listen bench
  bind 127.0.0.1:${listenPort} backlog 4096
  server backend 127.0.0.1:${backendPort}
`;

export const nghttpxConfig = ({
  listenPort,
  backendPort,
  case: load,
}: PeerSetup): string => `workers=${load.workers ?? 1}
frontend=127.0.0.1,${listenPort};no-tls
backend=127.0.0.1,${backendPort};;proto=http/1.1
frontend-keep-alive-timeout=3600
frontend-read-timeout=3600
frontend-http2-read-timeout=3600
backend-keep-alive-timeout=3600
accesslog-file=/dev/null
errorlog-file=/dev/stderr
log-level=ERROR
`;
