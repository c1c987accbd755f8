// The usual Node reverse proxy: npm's http-proxy with a keep-alive agent. Arguments: port to listen on, port of the backend.
import { Agent, createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { IncomingMessage, ServerResponse } from 'node:http';
import process from 'node:process';

interface ProxyServer {
  web(request: IncomingMessage, response: ServerResponse): void;
  on(event: 'error', listener: (error: Error, request: unknown, response: unknown) => void): void;
}
interface HttpProxy {
  createProxyServer(options: { target: string; agent: Agent }): ProxyServer;
}

const [listenPort, backendPort] = process.argv.slice(2).map(Number);
// It has no types of its own.
const httpProxy = createRequire(import.meta.url)('http-proxy') as HttpProxy;
const proxy = httpProxy.createProxyServer({
  target: `http://127.0.0.1:${backendPort}`,
  agent: new Agent({ keepAlive: true, maxSockets: 256 }),
});
proxy.on('error', (_error, _request, response) => {
  (response as ServerResponse).writeHead(502).end();
});
const server = createServer((request, response) => proxy.web(request, response));
server.keepAliveTimeout = 3_600_000;
server.listen({ port: listenPort, host: '127.0.0.1', backlog: 4_096 });
