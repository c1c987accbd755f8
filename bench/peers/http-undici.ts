// What one writes by hand in Node: an http server, and undici's pool towards the backend. Arguments: port to listen on, port of the backend.
import { createServer } from 'node:http';
import process from 'node:process';
import { Pool } from 'undici';
import type { Dispatcher } from 'undici';

const [listenPort, backendPort] = process.argv.slice(2).map(Number);
const pool = new Pool(`http://127.0.0.1:${backendPort}`, { connections: 256, pipelining: 1 });
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'expect', 'upgrade']);

const server = createServer((request, response) => {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined && !HOP_BY_HOP.has(name)) headers[name] = value;
  }
  const method = (request.method ?? 'GET') as Dispatcher.HttpMethod;
  const body = method === 'GET' || method === 'HEAD' ? null : request;
  pool.stream(
    { path: request.url ?? '/', method, headers, body },
    ({ statusCode, headers: answer }) => {
      const kept = Object.entries(answer).filter(([name]) => !HOP_BY_HOP.has(name));
      response.writeHead(statusCode, Object.fromEntries(kept) as Record<string, string>);
      return response;
    },
    (error) => {
      if (error !== null && !response.headersSent) response.writeHead(502).end();
    },
  );
});
server.keepAliveTimeout = 3_600_000;
server.listen({ port: listenPort, host: '127.0.0.1', backlog: 4_096 });
