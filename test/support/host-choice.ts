// Which host does a proxy choose? Rows of clusters whose hosts are loopback addresses of one upstream; each row is asked many times
// with keys of its own, over one connection, and the choices come back as addresses. Ours and the real Envoy get the same.
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:net';
import {
  ProxyProcess,
  address,
  bootstrapOf,
  envoyBinary,
  httpListener,
  tcpProxy,
} from './proxy-process.ts';

type Json = { readonly [key: string]: unknown };

interface Teardowns {
  teardown(fn: () => void | Promise<void>): void;
}

export interface ChoiceRow {
  /** Name of the cluster and of its path; letters and digits. */
  readonly id: string;
  /** Fields of the cluster beside `load_assignment`. */
  readonly cluster?: Json;
  /** Localities as in `load_assignment.endpoints`; `HOST(n)` as a string stands for an address. */
  readonly endpoints: readonly Json[];
  readonly policy?: Json;
  /** Fields of the route action; default: a hash policy of the header `x-key`. */
  readonly action?: Json;
  /** Fields beside it. */
  readonly route?: Json;
  /** Fields of a TCP proxy to the cluster, which has a listener of its own. */
  readonly tcp?: Json;
}

export interface HostSample {
  readonly weight?: number;
  readonly health?: string;
  readonly hostname?: string;
  /** Metadata `envoy.lb`. */
  readonly labels?: Json;
}

const DEFAULT_ACTION: Json = { hash_policy: [{ header: { header_name: 'x-key' } }] };

/** 127.1.x.y by number. */
export const hostAddress = (n: number): string => `127.1.${n >> 8}.${n & 255}`;

const PORT = 7; // Replaced by the upstream's.

export const endpoint = (
  n: number,
  { weight, health, hostname, labels }: HostSample = {},
): Json => ({
  endpoint: {
    address: { socket_address: { address: hostAddress(n), port_value: PORT } },
    ...(hostname !== undefined && { hostname }),
  },
  ...(weight !== undefined && { load_balancing_weight: weight }),
  ...(health !== undefined && { health_status: health }),
  ...(labels !== undefined && { metadata: { filter_metadata: { 'envoy.lb': labels } } }),
});

/** Hosts `from` to `from + count - 1`. */
export const endpoints = (
  from: number,
  count: number,
  sample: (i: number) => HostSample = () => ({}),
): readonly Json[] => Array.from({ length: count }, (_, i) => endpoint(from + i, sample(i)));

export const locality = (list: readonly Json[], more: Json = {}): Json => ({
  lb_endpoints: list,
  ...more,
});

/** Requests that the upstream does not answer. */
class Arrivals {
  readonly #waiting = new Map<string, (address: string) => void>();
  #count = 0;

  /** The address that the request with this `x-id` comes to. */
  next(send: (id: string) => void): Promise<string> {
    const id = String(this.#count++);
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      send(id);
    });
  }

  onRequest(id: string, address: string): void {
    this.#waiting.get(id)?.(address);
    this.#waiting.delete(id);
  }
}

/** One of two proxies. */
export class ChoosingProxy {
  readonly process: ProxyProcess;
  readonly #arrivals: Arrivals;
  readonly #held: Socket[] = [];

  constructor(process: ProxyProcess, arrivals: Arrivals) {
    this.process = process;
    this.#arrivals = arrivals;
  }

  /** Requests that stay under way until `release`, one after the other: where each arrived. */
  async hold(row: string, heads: readonly string[]): Promise<readonly string[]> {
    const addresses: string[] = [];
    for (const head of heads) {
      const socket = connect(this.process.port('in'), '127.0.0.1');
      socket.on('error', () => undefined);
      this.#held.push(socket);
      const arrival = this.#arrivals.next((id) =>
        socket.write(`GET /${row}/hold HTTP/1.1\r\nhost: h\r\nx-id: ${id}\r\n${head}\r\n\r\n`),
      );
      addresses.push(await arrival);
    }
    return addresses;
  }

  /** Where a TCP session of the row's own listener goes; `from`: the address of the client. */
  async tcp(row: string, from: string): Promise<string> {
    const socket = connect({ port: this.process.port(row), host: '127.0.0.1', localAddress: from });
    let text = '';
    socket.on('error', () => undefined).on('data', (chunk) => (text += chunk.toString('latin1')));
    socket.write('GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n');
    await new Promise((resolve) => socket.on('close', resolve));
    return /x-address: ([^\r]*)/.exec(text)?.[1] ?? '';
  }

  release(): void {
    for (const socket of this.#held.splice(0)) socket.destroy();
  }

  /** Addresses without port, '' for none; one request after the other. `heads`: header lines of each. */
  async choose(row: string, heads: readonly string[]): Promise<readonly string[]> {
    const answers: string[] = [];
    while (answers.length < heads.length) {
      const before = answers.length;
      await this.#ask(row, heads, answers);
      if (answers.length === before) throw new Error(`no answer to request ${before} of ${row}`);
    }
    return answers;
  }

  /** All that is not answered yet, until the connection closes: Envoy does so in the middle of replies of its own. */
  async #ask(row: string, heads: readonly string[], answers: string[]): Promise<void> {
    const requests = heads
      .slice(answers.length)
      .map((head) => `GET /${row}/ HTTP/1.1\r\nhost: h\r\n${head === '' ? '' : `${head}\r\n`}\r\n`);
    const socket = connect(this.process.port('in'), '127.0.0.1');
    let text = '';
    await new Promise<void>((resolve) => {
      socket.on('error', () => undefined).on('close', resolve);
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
        for (;;) {
          const match = /x-host: h([^\r]*)\r\n/.exec(text);
          if (match === null) break;
          text = text.slice(match.index + match[0].length);
          answers.push(match[1]!.replace(/:\d+$/, ''));
        }
        if (answers.length === heads.length) resolve();
      });
      socket.write(requests.join(''));
    });
    socket.destroy();
  }

  /** With `x-key: k0`, `k1` … */
  byKey(row: string, count: number): Promise<readonly string[]> {
    return this.choose(
      row,
      Array.from({ length: count }, (_, i) => `x-key: k${i}`),
    );
  }
}

export interface ChoicePair {
  readonly ours: ChoosingProxy;
  /** Undefined without an Envoy binary. */
  readonly envoy: ChoosingProxy | undefined;
  /** Of all hosts. */
  readonly port: number;
}

export interface ChoiceOptions {
  readonly bootstrap?: Json;
  readonly httpFilters?: readonly Json[];
  /** Headers that the host of this address answers with. */
  readonly headersOf?: (address: string) => Readonly<Record<string, string>>;
}

export async function startChoice(
  t: Teardowns,
  rows: readonly ChoiceRow[],
  more: ChoiceOptions = {},
): Promise<ChoicePair> {
  const arrivals = new Arrivals();
  const server = createServer((request, response) => {
    if (request.url!.endsWith('/hold'))
      arrivals.onRequest(String(request.headers['x-id']), request.socket.localAddress!);
    else {
      response.setHeader('x-address', request.socket.localAddress!);
      response.setHeaders(new Headers(more.headersOf?.(request.socket.localAddress!) ?? {}));
      response.statusCode = request.headers['x-fail'] === undefined ? 200 : 503;
      response.end('ok');
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  t.teardown(() => closeServer(server));
  const port = (server.address() as AddressInfo).port;
  const listener = httpListener(
    'in',
    rows.map((row) => ({
      match: { prefix: `/${row.id}/` },
      route: {
        ...(row.action?.['weighted_clusters'] === undefined && { cluster: row.id }),
        ...(row.action ?? DEFAULT_ACTION),
      },
      response_headers_to_add: [{ header: { key: 'x-host', value: 'h%UPSTREAM_HOST%' } }],
      ...row.route,
    })),
    { httpFilters: more.httpFilters ?? [], hcm: { access_log: [] } },
  );
  const clusters = rows.map((row) => ({
    name: row.id,
    type: 'STATIC',
    load_assignment: {
      cluster_name: row.id,
      endpoints: row.endpoints,
      ...(row.policy !== undefined && { policy: row.policy }),
    },
    ...row.cluster,
  }));
  const tcp = rows.flatMap((row) =>
    row.tcp === undefined
      ? []
      : [
          {
            name: row.id,
            address: address(0),
            filter_chains: [{ filters: [tcpProxy(row.id, { access_log: [], ...row.tcp })] }],
          },
        ],
  );
  const parts = bootstrapOf([listener, ...tcp], clusters);
  const text = JSON.stringify({ ...parts, ...more.bootstrap });
  const bootstrap = JSON.parse(
    text.replaceAll(`"port_value":${PORT}}`, `"port_value":${port}}`),
  ) as Json;
  const [ours, envoy] = await Promise.all([
    ProxyProcess.start(t, bootstrap),
    envoyBinary === undefined ? undefined : ProxyProcess.start(t, bootstrap, envoyBinary),
  ]);
  return {
    ours: new ChoosingProxy(ours, arrivals),
    envoy: envoy === undefined ? undefined : new ChoosingProxy(envoy, arrivals),
    port,
  };
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
