// Dynamic forward proxy: ours and the real Envoy with the same names, hosts, rewrites and limits: replies, log lines, what the upstream was
// asked, and the counters of the DNS cache must be the same. Without Envoy (ENVOY_BIN) ours alone runs.
// @long
// @timeout 120 s
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect, createServer as createTcpServer } from 'node:net';
import { connect as connectTls } from 'node:tls';
import t from 'tap';

import { DnsServer } from '../support/dns-server.ts';
import { eventually } from '../support/eventually.ts';
import {
  ProxyProcess,
  address,
  bootstrapOf,
  envoyBinary,
  filterOf,
  httpListener,
  tcpProxy,
} from '../support/proxy-process.ts';

type Json = { readonly [key: string]: unknown };

t.setTimeout(120_000);

const EXTENSION = 'type.googleapis.com/envoy.extensions.';
const FILTER = 'envoy.filters.http.dynamic_forward_proxy';
const LOG =
  '%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_HOST%\n';

interface Request {
  readonly host: string;
  readonly path?: string;
  readonly header?: string;
}

interface Row {
  readonly what: string;
  readonly cache?: Json;
  /** One after the other; PORT is the upstream's. */
  readonly requests: readonly Request[];
}

const rows: readonly Row[] = [
  {
    what: 'names, known and unknown',
    requests: [
      { host: 'a.test:PORT', path: '/1' },
      { host: 'a.test:PORT', path: '/2' },
      { host: 'A.test:PORT', path: '/3' },
      { host: 'nobody.test:PORT', path: '/4' },
      { host: 'nobody.test:PORT', path: '/5' },
      { host: 'empty.test:PORT', path: '/6' },
      { host: '127.0.0.5:PORT', path: '/7' },
      { host: 'broken.test:PORT', path: '/8' },
    ],
  },
  {
    what: 'hosts that routes write',
    requests: [
      { host: 'x.test', path: '/literal' },
      { host: 'x.test', path: '/header', header: 'x-to: b.test:PORT' },
      { host: 'a.test:PORT', path: '/header' },
    ],
  },
  {
    what: 'a cache that is full',
    cache: { max_hosts: 1 },
    requests: [
      { host: 'a.test:PORT', path: '/1' },
      { host: 'b.test:PORT', path: '/2' },
      { host: 'a.test:PORT', path: '/3' },
    ],
  },
  {
    what: 'a name server that says nothing',
    cache: { dns_query_timeout: '0.3s' },
    requests: [{ host: 'silent.test:PORT', path: '/1' }],
  },
  {
    what: 'the family of version 6',
    cache: { dns_lookup_family: 'V6_ONLY' },
    requests: [{ host: 'a.test:PORT', path: '/1' }],
  },
];

interface Seen {
  readonly replies: readonly string[];
  readonly log: readonly string[];
  readonly stats: readonly string[];
}

function send(port: number, { host, path = '/', header }: Request): Promise<string> {
  return new Promise((done, fail) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString('latin1')));
    socket.on('error', fail);
    socket.on('close', () => done(`${text.split('\r\n')[0]} ${text.split('\r\n\r\n')[1]}`));
    const more = header === undefined ? '' : `${header}\r\n`;
    socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n${more}\r\n`);
  });
}

interface Teardowns {
  teardown(fn: () => void | Promise<void>): void;
}

async function upstreamFor(t: Teardowns): Promise<number> {
  const server = createServer((request, response) => {
    const body = `${request.socket.localAddress} ${request.headers.host}`;
    response.end(body.padEnd(24));
  });
  await new Promise<void>((done) => server.listen(0, '0.0.0.0', done));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function nameServer(t: Teardowns): Promise<DnsServer> {
  const names = await DnsServer.listen();
  t.teardown(() => names.close());
  names.set('a.test', { addresses: ['127.0.0.1', '127.0.0.2'] });
  names.set('b.test', { addresses: ['127.0.0.3'] });
  names.set('empty.test', { addresses: [] });
  names.set('broken.test', 'servfail');
  names.set('silent.test', 'silence');
  return names;
}

const cacheOf = (names: DnsServer): Json => ({
  name: 'names',
  dns_lookup_family: 'V4_ONLY',
  typed_dns_resolver_config: {
    name: 'cares',
    typed_config: {
      '@type': `${EXTENSION}network.dns_resolver.cares.v3.CaresDnsResolverConfig`,
      resolvers: [address(names.port)],
      dns_resolver_options: { no_default_search_domain: true },
    },
  },
});

const clusterOf = (cache: Json): Json => ({
  name: 'dfp',
  connect_timeout: '1s',
  lb_policy: 'CLUSTER_PROVIDED',
  cluster_type: {
    name: 'envoy.clusters.dynamic_forward_proxy',
    typed_config: {
      '@type': `${EXTENSION}clusters.dynamic_forward_proxy.v3.ClusterConfig`,
      dns_cache_config: cache,
    },
  },
});

async function play(t: Teardowns, row: Row, binary: string | undefined): Promise<Seen> {
  const [names, upstream] = await Promise.all([nameServer(t), upstreamFor(t)]);
  const port = String(upstream);
  const cache = { ...cacheOf(names), ...row.cache };
  const dfp = `${EXTENSION}filters.http.dynamic_forward_proxy.v3.`;
  const route = (prefix: string, settings: Json | undefined): Json => ({
    match: { prefix },
    route: { cluster: 'dfp' },
    ...(settings && {
      typed_per_filter_config: { [FILTER]: { '@type': `${dfp}PerRouteConfig`, ...settings } },
    }),
  });
  const listener = httpListener(
    'main',
    [
      route('/literal', { host_rewrite_literal: `b.test:${port}` }),
      route('/header', { host_rewrite_header: 'x-to' }),
      route('/', undefined),
    ],
    {
      httpFilters: [
        filterOf(FILTER, 'filters.http.dynamic_forward_proxy.v3.FilterConfig', {
          dns_cache_config: cache,
        }),
      ],
      hcm: {
        access_log: [
          {
            name: 'file',
            typed_config: {
              '@type': `${EXTENSION}access_loggers.file.v3.FileAccessLog`,
              path: 'LOG',
              log_format: { text_format_source: { inline_string: LOG } },
            },
          },
        ],
      },
    },
  );
  const bootstrap = bootstrapOf([listener], [clusterOf(cache)]);
  const proxy = await ProxyProcess.start(t, bootstrap, binary);
  const plain = (text: string): string =>
    text
      .replaceAll(port, 'PORT')
      // Each resolver has words of its own for why.
      .replace(/dns_resolution_failure\{.*\}/, 'dns_resolution_failure{}');
  const replies: string[] = [];
  for (const { host, header, ...request } of row.requests) {
    const named = { ...request, host: host.replace('PORT', port) };
    const reply = await send(
      proxy.port('main'),
      header === undefined ? named : { ...named, header: header.replace('PORT', port) },
    );
    replies.push(plain(reply));
  }
  const log = (await proxy.log(row.requests.length)).map(plain);
  const stats = [...(await proxy.stats())]
    .filter(([name]) => /^dns_cache\.names\.[a-z_]+$|^cluster\.dfp\.membership_total$/.test(name))
    // Ours counts members from the first one on.
    .filter(
      ([name, value]) => !name.endsWith('_filter_out') && (value > 0 || !name.endsWith('total')),
    )
    .map(([name, value]) => `${name} ${value}`)
    .sort();
  await proxy.stop();
  return { replies, log: log.sort(), stats };
}

t.test('dynamic forward proxy beside Envoy', async (t) => {
  for (const row of rows) {
    await t.test(row.what, async (t) => {
      const ours = await play(t, row, undefined);
      t.equal(ours.replies.length, row.requests.length);
      if (envoyBinary === undefined) return;
      const theirs = await play(t, row, envoyBinary);
      t.strictSame(ours.replies, theirs.replies, 'replies');
      t.strictSame(ours.log, theirs.log, 'log');
      t.strictSame(ours.stats, theirs.stats, 'counters');
    });
  }
});

/** For each name in a TLS hello: the address it was passed on to, `-` where it was not; and the first byte that came. */
async function playHellos(t: Teardowns, binary: string | undefined): Promise<readonly string[]> {
  const names = await nameServer(t);
  let reached = '-';
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (hello) => {
      reached = `${socket.localAddress} ${hello[0]}`;
      socket.destroy();
    });
  });
  await new Promise<void>((done) => server.listen(0, '0.0.0.0', done));
  t.teardown(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const cache = cacheOf(names);
  const listener = {
    name: 'main',
    address: address(0),
    listener_filters: [
      filterOf(
        'envoy.filters.listener.tls_inspector',
        'filters.listener.tls_inspector.v3.TlsInspector',
      ),
    ],
    filter_chains: [
      {
        filters: [
          filterOf(
            'envoy.filters.network.sni_dynamic_forward_proxy',
            'filters.network.sni_dynamic_forward_proxy.v3.FilterConfig',
            { dns_cache_config: cache, port_value: port },
          ),
          tcpProxy('dfp'),
        ],
      },
    ],
  };
  const bootstrap = bootstrapOf([listener], [clusterOf(cache)]);
  const proxy = await ProxyProcess.start(t, bootstrap, binary);
  const seen: string[] = [];
  for (const servername of ['a.test', 'b.test', 'nobody.test', 'a.test']) {
    reached = '-';
    await new Promise<void>((done) => {
      const socket = connectTls({ host: '127.0.0.1', port: proxy.port('main'), servername });
      socket.on('error', () => {});
      socket.on('close', () => done());
    });
    seen.push(`${servername} ${reached}`);
  }
  await proxy.stop();
  return seen;
}

t.test('the server named in a TLS hello, beside Envoy', async (t) => {
  const ours = await playHellos(t, undefined);
  t.strictSame(ours, [
    'a.test 127.0.0.1 22',
    'b.test 127.0.0.3 22',
    'nobody.test -',
    'a.test 127.0.0.1 22',
  ]);
  if (envoyBinary !== undefined) t.strictSame(ours, await playHellos(t, envoyBinary));
});

t.test('a name above the limit of those that wait is refused, once', async (t) => {
  const names = await nameServer(t);
  const cache = {
    ...cacheOf(names),
    dns_cache_circuit_breaker: { max_pending_requests: 1 },
  };
  const listener = {
    name: 'main',
    stat_prefix: 'main',
    address: address(0),
    listener_filters: [
      filterOf(
        'envoy.filters.listener.tls_inspector',
        'filters.listener.tls_inspector.v3.TlsInspector',
      ),
    ],
    filter_chains: [
      {
        filters: [
          filterOf(
            'envoy.filters.network.sni_dynamic_forward_proxy',
            'filters.network.sni_dynamic_forward_proxy.v3.FilterConfig',
            { dns_cache_config: cache, port_value: 443 },
          ),
          tcpProxy('dfp'),
        ],
      },
    ],
  };
  const proxy = await ProxyProcess.start(t, bootstrapOf([listener], [clusterOf(cache)]));
  const hello = (): Promise<void> =>
    new Promise((done) => {
      const to = { host: '127.0.0.1', port: proxy.port('main'), servername: 'silent.test' };
      const socket = connectTls(to);
      t.teardown(() => socket.destroy());
      socket.on('error', () => {});
      socket.on('close', () => done());
    });
  void hello();
  await eventually('one waits', () => names.asked.some((asked) => asked.startsWith('silent')));
  await Promise.all([hello(), hello()]);
  const stats = await proxy.stats();
  t.equal(stats.get('listener.main.downstream_cx_active'), 1);
  t.equal(stats.get('listener.main.downstream_cx_destroy'), 2);
});
