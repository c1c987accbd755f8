// The small HTTP server under every Bookinfo service: paths to handlers, JSON answers, `/health`, an orderly stop.
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import process from 'node:process';

import type { ServiceOptions } from './service-options.ts';

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** `path` has no query; an error becomes a 500 that says so. */
export type Handler = (request: IncomingMessage, path: string) => Answer | Promise<Answer>;

export interface Route {
  /** Exact path, or a prefix where it ends in `/` (not `/` itself); compared without regard to case. */
  readonly path: string;
  readonly method?: 'GET' | 'POST';
  readonly handle: Handler;
}

/** What tells a reader, and `npm run split`, who answered. */
export const VERSION_HEADER = 'x-bookinfo-version';
export const POD_HEADER = 'x-bookinfo-pod';

const STOP_GRACE_MS = 1_000;

export const json = (status: number, value: unknown): Answer => ({
  status,
  body: `${JSON.stringify(value)}\n`,
  contentType: 'application/json',
});

export const pathOf = (request: IncomingMessage): string =>
  (request.url ?? '/').split('?', 1)[0] ?? '/';

const isPrefix = (path: string): boolean => path.length > 1 && path.endsWith('/');

function findRoute(
  routes: readonly Route[],
  request: IncomingMessage,
  path: string,
): Route | undefined {
  const lower = path.toLowerCase();
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  return routes.find(
    (route) =>
      (route.method ?? 'GET') === method &&
      (lower === route.path || (isPrefix(route.path) && lower.startsWith(route.path))),
  );
}

async function answer(routes: readonly Route[], request: IncomingMessage): Promise<Answer> {
  const path = pathOf(request);
  const route = findRoute(routes, request, path);
  if (route === undefined) return json(404, { error: `nothing is served at ${path}` });
  try {
    return await route.handle(request, path);
  } catch (error) {
    return json(500, { error: error instanceof Error ? error.message : String(error) });
  }
}

function send(response: ServerResponse, reply: Answer, options: ServiceOptions): void {
  const body = Buffer.from(reply.body);
  response.writeHead(reply.status, {
    'content-type': reply.contentType ?? 'text/plain; charset=utf-8',
    'content-length': body.length,
    [VERSION_HEADER]: options.version,
    [POD_HEADER]: options.pod,
    ...reply.headers,
  });
  response.end(body);
}

export function createService(options: ServiceOptions, routes: readonly Route[]): Server {
  const all: Route[] = [
    ...routes,
    {
      path: '/health',
      handle: () => json(200, { status: 'up', pod: options.pod, version: options.version }),
    },
  ];
  const server = createServer((request, response) => {
    request.resume();
    void answer(all, request).then((reply) => send(response, reply, options));
  });
  // A sidecar keeps idle connections; one that this side closes first can cost a request.
  server.keepAliveTimeout = 75_000;
  return server;
}

function stopOnSignal(server: Server): void {
  const stop = (): void => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
    setTimeout(() => process.exit(0), STOP_GRACE_MS).unref();
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

/** Listens, says where on standard output, and stops at SIGTERM or SIGINT. */
export function runService(name: string, options: ServiceOptions, routes: readonly Route[]): void {
  const server = createService(options, routes);
  server.on('error', (error) => {
    process.stderr.write(
      `${name}: cannot listen on ${options.listenAddress}:${options.listenPort}: ${error.message}\n`,
    );
    process.exit(1);
  });
  server.listen(options.listenPort, options.listenAddress, () => {
    const { address, port } = server.address() as AddressInfo;
    process.stdout.write(
      `${name} ${options.version} (${options.pod}) listens on ${address}:${port}\n`,
    );
  });
  stopOnSignal(server);
}
