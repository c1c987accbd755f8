// Active checks and ejections of ours beside the real Envoy's: the same settings, upstreams that fail alike; flags, stats and
// events must be the same. Without Envoy (ENVOY_BIN) ours alone runs, and what the rows say is asserted.
// @long
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttp2Server } from 'node:http2';
import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

import { eventually } from '../support/eventually.ts';
import { ProxyProcess, envoyBinary, httpListener } from '../support/proxy-process.ts';
import { SwitchedUpstream } from '../support/switched-upstream.ts';
import type { Behaviour } from '../support/switched-upstream.ts';
import { freePort } from '../support/free-port.ts';
import { ask } from '../support/test-http.ts';

type Json = { readonly [key: string]: unknown };
interface Teardowns {
  teardown(fn: () => void | Promise<void>): void;
}

t.setTimeout(180_000);

const endpoint = (port: number): Json => ({
  endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
});

const cluster = (name: string, ports: readonly number[], more: Json): Json => ({
  name,
  connect_timeout: '1s',
  common_lb_config: { healthy_panic_threshold: { value: 0 } },
  load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: ports.map(endpoint) }] },
  ...more,
});

/** Lines of /clusters and stats of one cluster, hosts named by their place. */
async function look(proxy: ProxyProcess, name: string, ports: readonly number[]) {
  const { body } = await ask(proxy.adminPort, 'GET', `/clusters?filter=^${name}$`);
  const lines = body.split('\n').map((line) => {
    const index = ports.findIndex((port) => line.includes(`127.0.0.1:${port}`));
    return index < 0 ? line : line.replace(`127.0.0.1:${ports[index]}`, `host${index}`);
  });
  const stats = [...(await proxy.stats())]
    .filter(([stat]) => stat.startsWith(`cluster.${name}.`) && COMPARED.test(stat))
    .map(([stat, value]) => `${stat.slice(name.length + 9)} ${value}`);
  return { lines: lines.filter((line) => line !== ''), stats: stats.sort() };
}

const COMPARED = /\.(outlier_detection|health_check|membership_\w+)(\.|$)/;

/** Whatever host got which request. */
const SURE = /ejections_(active|enforced|total)|membership/;

interface OutlierRow {
  readonly what: string;
  readonly detection: Json;
  /** What all hosts do, one request each. */
  readonly answers: readonly Behaviour[];
  /** Default 1; 0: one that nobody listens at. */
  readonly hosts?: number;
  readonly headers?: Record<string, string>;
  readonly route?: Json;
  /** Hosts that are ejected in the end. */
  readonly ejected: number;
}

const times = <T>(count: number, what: T): T[] => Array.from({ length: count }, () => what);

const rows: readonly OutlierRow[] = [
  { what: 'five 500s', detection: {}, answers: times(5, 500), ejected: 1 },
  {
    what: 'four 500s, a 200, four 500s',
    detection: {},
    answers: [...times(4, 500), 200, ...times(4, 500)],
    ejected: 0,
  },
  {
    what: 'five redirects and client errors',
    detection: {},
    answers: [302, 404, 429, 301, 499],
    ejected: 0,
  },
  { what: 'five 502s', detection: {}, answers: times(5, 502), ejected: 1 },
  {
    what: 'gateway failures that are enforced',
    detection: {
      consecutive_5xx: 0,
      consecutive_gateway_failure: 3,
      enforcing_consecutive_gateway_failure: 100,
    },
    answers: [502, 503, 504],
    ejected: 1,
  },
  {
    what: 'a 500 between gateway failures',
    detection: {
      consecutive_5xx: 9,
      consecutive_gateway_failure: 3,
      enforcing_consecutive_gateway_failure: 100,
    },
    answers: [502, 503, 500, 504, 502],
    ejected: 0,
  },
  {
    what: 'nothing is enforced',
    detection: { enforcing_consecutive_5xx: 0 },
    answers: times(12, 500),
    ejected: 0,
  },
  {
    what: 'grpc-status 14 in the head of answers',
    detection: { consecutive_5xx: 3 },
    answers: times(3, '200; grpc-status: 14; content-type: application/grpc'),
    headers: { 'content-type': 'application/grpc' },
    ejected: 1,
  },
  {
    what: 'grpc-status 5 in the head of answers',
    detection: { consecutive_5xx: 3 },
    answers: times(4, '200; grpc-status: 5; content-type: application/grpc'),
    headers: { 'content-type': 'application/grpc' },
    ejected: 0,
  },
  {
    what: 'grpc-status 14 to a request that is no gRPC',
    detection: { consecutive_5xx: 3 },
    answers: times(4, '200; grpc-status: 14'),
    ejected: 0,
  },
  {
    what: 'nobody listens',
    detection: { consecutive_5xx: 3 },
    hosts: 0,
    answers: times(3, 200),
    ejected: 1,
  },
  {
    what: 'nobody listens, origins split',
    detection: {
      split_external_local_origin_errors: true,
      consecutive_5xx: 2,
      consecutive_local_origin_failure: 3,
    },
    hosts: 0,
    answers: times(3, 200),
    ejected: 1,
  },
  {
    what: 'connections that are reset',
    detection: { consecutive_5xx: 3 },
    answers: times(3, 'reset'),
    ejected: 1,
  },
  {
    what: 'connections that are reset, origins split',
    detection: { split_external_local_origin_errors: true, consecutive_local_origin_failure: 2 },
    answers: times(4, 'reset'),
    ejected: 0,
  },
  {
    what: 'time-outs',
    detection: { consecutive_5xx: 2 },
    answers: times(2, 'hang'),
    route: { timeout: '0.1s' },
    ejected: 1,
  },
  {
    what: 'time-outs, origins split',
    detection: { split_external_local_origin_errors: true, consecutive_local_origin_failure: 2 },
    answers: times(3, 'hang'),
    route: { timeout: '0.1s' },
    ejected: 0,
  },
  {
    what: 'time-outs of tries',
    detection: { consecutive_5xx: 3 },
    answers: times(1, 'hang'),
    route: { retry_policy: { retry_on: '5xx', num_retries: 2, per_try_timeout: '0.1s' } },
    ejected: 1,
  },
  {
    what: 'answers that are tried again',
    detection: { consecutive_5xx: 3 },
    answers: times(1, 503),
    route: { retry_policy: { retry_on: '5xx', num_retries: 2 } },
    ejected: 1,
  },
  {
    what: 'three hosts, half of them at most',
    detection: { consecutive_5xx: 2, max_ejection_percent: 50 },
    hosts: 3,
    answers: times(12, 500),
    ejected: 1,
  },
  {
    what: 'three hosts, ten percent at most',
    detection: { consecutive_5xx: 2, max_ejection_percent: 10 },
    hosts: 3,
    answers: times(12, 500),
    ejected: 0,
  },
  {
    what: 'three hosts, ten percent at most, but one always',
    detection: { consecutive_5xx: 2, max_ejection_percent: 10, always_eject_one_host: true },
    hosts: 3,
    answers: times(12, 500),
    ejected: 1,
  },
  {
    what: 'three hosts, half of them at most, and one always',
    detection: { consecutive_5xx: 2, max_ejection_percent: 50, always_eject_one_host: true },
    hosts: 3,
    answers: times(12, 500),
    ejected: 1,
  },
  {
    what: 'three hosts, all of them',
    detection: { consecutive_5xx: 2, max_ejection_percent: 100 },
    hosts: 3,
    answers: times(12, 500),
    ejected: 3,
  },
  {
    what: 'an answer that calls its host degraded',
    detection: { detect_degraded_hosts: true },
    answers: ['200; x-envoy-degraded: 1', 200],
    ejected: 0,
  },
];

/** What one proxy made of each row. */
async function playOutliers(t: Teardowns, binary: string | undefined) {
  const upstreams = await Promise.all(
    rows.map(({ hosts = 1 }) => Promise.all(times(hosts, 0).map(() => SwitchedUpstream.start(t)))),
  );
  const ports = await Promise.all(
    upstreams.map(async (hosts) =>
      hosts.length === 0 ? [await freePort()] : hosts.map(({ port }) => port),
    ),
  );
  const clusters = rows.map(({ detection }, i) =>
    cluster(`row${i}`, ports[i]!, {
      outlier_detection: {
        interval: '600s',
        base_ejection_time: '600s',
        max_ejection_time: '600s',
        max_ejection_percent: 100,
        ...detection,
      },
    }),
  );
  const routes = rows.map(({ route = {} }, i) => ({
    match: { path: `/${i}` },
    route: { cluster: `row${i}`, ...route },
  }));
  const bootstrap = { static_resources: { clusters, listeners: [httpListener('main', routes)] } };
  const proxy = await ProxyProcess.start(t, bootstrap, binary);
  const results: Awaited<ReturnType<typeof look>>[] = [];
  for (const [i, { answers, headers }] of rows.entries()) {
    for (const answer of answers) {
      for (const host of upstreams[i]!) host.behaviour = answer;
      await ask(proxy.port('main'), 'GET', `/${i}`, headers);
    }
    results.push(await settled(() => look(proxy, `row${i}`, ports[i]!)));
  }
  return results;
}

/** The same answer twice, a moment apart. */
async function settled<T>(ask: () => Promise<T>): Promise<T> {
  let last = '';
  let result: T | undefined;
  await eventually('nothing changes any more', async () => {
    await new Promise((done) => setTimeout(done, 40));
    result = await ask();
    const text = JSON.stringify(result);
    const same = text === last;
    last = text;
    return same;
  });
  return result!;
}

t.test('Ejections beside Envoy', async (t) => {
  const [ours, theirs] = await Promise.all([
    playOutliers(t, undefined),
    envoyBinary === undefined ? undefined : playOutliers(t, envoyBinary),
  ]);
  for (const [i, { what, ejected, hosts = 1 }] of rows.entries()) {
    const { lines, stats } = ours[i]!;
    const out = lines.filter((line) => line.includes('health_flags::/failed_outlier_check'));
    t.equal(out.length, ejected, `${what}: ${ejected} ejected`);
    if (theirs === undefined) continue;
    if (hosts === 1) t.strictSame(lines, theirs[i]!.lines, `${what}: /clusters`);
    // Which of several gets which request is chance.
    const sure = hosts === 1 ? stats : stats.filter((stat) => SURE.test(stat));
    t.ok(
      sure.every((stat) => theirs[i]!.stats.includes(stat)),
      `${what}: stats`,
      { ours: sure, theirs: theirs[i]!.stats },
    );
    t.equal(stats.length, theirs[i]!.stats.length, `${what}: as many`);
  }
});

/** What the checked host does, one after the other, and the flags that show it. */
const moods: readonly (readonly [behaviour: Behaviour, flags: string])[] = [
  [200, 'healthy'],
  ['200; x-envoy-degraded: true', '/degraded_active_hc'],
  [200, 'healthy'],
  [404, '/failed_active_hc'],
  [200, 'healthy'],
  [502, '/failed_active_hc'],
  ['hang', '/failed_active_hc/active_hc_timeout'],
  [200, 'healthy'],
  ['reset', '/failed_active_hc'],
  [
    '503; x-envoy-immediate-health-check-fail: 1',
    '/failed_active_hc/excluded_via_immediate_hc_fail',
  ],
  [200, 'healthy'],
];

async function playChecks(t: Teardowns, binary: string | undefined) {
  const dir = mkdtempSync(join(tmpdir(), 'checks-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const log = join(dir, 'events');
  const host = await SwitchedUpstream.start(t);
  const other = await SwitchedUpstream.start(t);
  const check = {
    timeout: '0.2s',
    interval: '0.1s',
    no_traffic_interval: '0.1s',
    unhealthy_threshold: 2,
    healthy_threshold: 2,
    event_log_path: log,
    http_health_check: {
      path: '/healthz?deep=1',
      retriable_statuses: [{ start: 500, end: 504 }],
      request_headers_to_add: [{ header: { key: 'X-Check', value: 'yes' } }],
    },
  };
  const clusters = [cluster('checked', [host.port, other.port], { health_checks: [check] })];
  const routes = [{ match: { prefix: '/' }, route: { cluster: 'checked' } }];
  const bootstrap = { static_resources: { clusters, listeners: [httpListener('main', routes)] } };
  const proxy = await ProxyProcess.start(t, bootstrap, binary);
  const ports = [host.port, other.port];
  const seen: (readonly string[])[] = [];
  for (const [behaviour, flags] of moods) {
    host.behaviour = behaviour;
    await eventually(`flags ${flags}`, async () => {
      const { lines } = await look(proxy, 'checked', ports);
      return lines.includes(`checked::host0::health_flags::${flags}`);
    });
    seen.push((await look(proxy, 'checked', ports)).lines);
  }
  // The data path says it, too: at once, without any check.
  host.behaviour = '200; x-envoy-immediate-health-check-fail: 1';
  other.behaviour = host.behaviour;
  await ask(proxy.port('main'), 'GET', '/');
  await eventually(
    'a passive failure',
    async () => (await proxy.stat('cluster.checked.health_check.passive_failure')) === 1,
  );
  await proxy.stop();
  const events = existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(0, -1) : [];
  const normal = events.map((line) =>
    line
      .replaceAll(String(host.port), '0')
      .replaceAll(String(other.port), '1')
      .replace(/"timestamp":"[^"]*"/, '"timestamp":""'),
  );
  const ofHost = normal.filter((line) => line.includes('"port_value":0,')).slice(0, moods.length);
  return { seen, events: ofHost, request: host.requests[0]! };
}

t.test('Checks beside Envoy', async (t) => {
  const [ours, theirs] = await Promise.all([
    playChecks(t, undefined),
    envoyBinary === undefined ? undefined : playChecks(t, envoyBinary),
  ]);
  t.equal(
    ours.request,
    'GET /healthz?deep=1 HTTP/1.1\r\nhost: checked\r\nuser-agent: Envoy/HC\r\nx-check: yes\r\n\r\n',
  );
  t.match(ours.events[0], '"add_healthy_event":{"first_check":true}');
  if (theirs === undefined) return;
  t.equal(ours.request, theirs.request, 'the request');
  // Envoy ends without writing what still waits.
  const written = theirs.events.length;
  t.ok(written > 5);
  t.strictSame(ours.events.slice(0, written), theirs.events, 'the events');
  for (const [i, [behaviour]] of moods.entries())
    t.strictSame(ours.seen[i], theirs.seen[i], `/clusters with ${behaviour}`);
});

interface ProbeRow {
  readonly what: string;
  readonly check: Json;
  /** What the server says to whatever comes; undefined: nothing. */
  readonly answer?: string | undefined;
  /** What it says on HTTP/2, status and headers, message, trailers. */
  readonly grpc?: readonly [headers: OutgoingHttpHeaders, message: string, status: string | null];
  readonly healthy: boolean;
}

const response = (body: string, head = 'HTTP/1.1 200 OK'): string =>
  `${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
const get = (more: Json): Json => ({ http_health_check: { path: '/', ...more } });
const tcp = (send: string, ...receive: readonly string[]): Json => ({
  tcp_health_check: {
    // As text: Envoy does not send what is given as bytes; we do.
    send: { text: Buffer.from(send).toString('hex') },
    receive: receive.map((text) => ({ binary: Buffer.from(text).toString('base64') })),
  },
});
const piece = (text: string): Json => ({ binary: Buffer.from(text).toString('base64') });
const GRPC = { ':status': 200, 'content-type': 'application/grpc' };

const probeRows: readonly ProbeRow[] = [
  { what: 'a 200', check: get({}), answer: response(''), healthy: true },
  { what: 'a 204', check: get({}), answer: 'HTTP/1.1 204 No\r\n\r\n', healthy: false },
  {
    what: 'a 204 that is expected',
    check: get({ expected_statuses: [{ start: 200, end: 300 }] }),
    answer: 'HTTP/1.1 204 No\r\n\r\n',
    healthy: true,
  },
  { what: 'HTTP/1.0', check: get({}), answer: 'HTTP/1.0 200 OK\r\n\r\nhello', healthy: true },
  {
    what: 'an interim answer first',
    check: get({}),
    answer: `HTTP/1.1 100 Go\r\n\r\n${response('')}`,
    healthy: true,
  },
  { what: 'no HTTP', check: get({}), answer: 'hello there\r\n\r\n', healthy: false },
  { what: 'silence', check: get({}), answer: undefined, healthy: false },
  {
    what: 'a body',
    check: get({ receive: [piece('b'), piece('d')] }),
    answer: response('abcde'),
    healthy: true,
  },
  {
    what: 'another body',
    check: get({ receive: [piece('d'), piece('b')] }),
    answer: response('abcde'),
    healthy: false,
  },
  {
    what: 'a body that is cut',
    check: get({ receive: [piece('z')] }),
    answer: response(`${'a'.repeat(1024)}z`),
    healthy: false,
  },
  {
    what: 'a long body that is wanted whole',
    check: get({ receive: [piece('z')], response_buffer_size: 0 }),
    answer: response(`${'a'.repeat(1024)}z`),
    healthy: true,
  },
  {
    what: 'the name of its cluster',
    check: get({ service_name_matcher: { prefix: 'loc' } }),
    answer: response('', 'HTTP/1.1 200 OK\r\nx-envoy-upstream-healthchecked-cluster: locations'),
    healthy: true,
  },
  {
    what: 'the name of another cluster',
    check: get({ service_name_matcher: { prefix: 'loc' } }),
    answer: response('', 'HTTP/1.1 200 OK\r\nx-envoy-upstream-healthchecked-cluster: other'),
    healthy: false,
  },
  {
    what: 'TCP: what is expected',
    check: tcp('ping', 'po', 'ng'),
    answer: 'xpo-ngx',
    healthy: true,
  },
  { what: 'TCP: something else', check: tcp('ping', 'pong'), answer: 'pang', healthy: false },
  { what: 'TCP: silence', check: tcp('ping', 'pong'), answer: undefined, healthy: false },
  {
    what: 'gRPC: serving',
    check: { grpc_health_check: {} },
    grpc: [GRPC, '00000000020801', '0'],
    healthy: true,
  },
  {
    what: 'gRPC: not serving',
    check: { grpc_health_check: {} },
    grpc: [GRPC, '00000000020802', '0'],
    healthy: false,
  },
  {
    what: 'gRPC: an empty answer',
    check: { grpc_health_check: {} },
    grpc: [GRPC, '0000000000', '0'],
    healthy: false,
  },
  {
    what: 'gRPC: unknown method',
    check: { grpc_health_check: {} },
    grpc: [GRPC, '', '12'],
    healthy: false,
  },
  {
    what: 'gRPC: no trailers',
    check: { grpc_health_check: {} },
    grpc: [GRPC, '00000000020801', null],
    healthy: false,
  },
  {
    what: 'gRPC: a 503',
    check: { grpc_health_check: {} },
    grpc: [{ ':status': 503 }, '', null],
    healthy: false,
  },
  {
    what: 'gRPC: no gRPC',
    check: { grpc_health_check: {} },
    grpc: [{ ':status': 200, 'content-type': 'text/plain' }, '68690a', null],
    healthy: false,
  },
  {
    what: 'HTTP/2',
    check: get({ codec_client_type: 'HTTP2' }),
    grpc: [{ ':status': 200 }, '68690a', null],
    healthy: true,
  },
];

async function serveProbe(t: Teardowns, { answer, grpc }: ProbeRow): Promise<number> {
  const server = grpc === undefined ? createTcpServer() : createHttp2Server();
  if (grpc === undefined) {
    server.on('connection', (socket: Socket) => {
      socket.on('error', () => {});
      socket.on('data', () => {
        if (answer !== undefined) socket.write(answer);
        if (answer?.startsWith('HTTP/1.0') === true) socket.end();
      });
    });
  } else {
    const [headers, message, status] = grpc;
    server.on('stream', (stream: ServerHttp2Stream) => {
      stream.on('error', () => {});
      stream.respond(headers, { waitForTrailers: status !== null });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status! }));
      stream.end(Buffer.from(message, 'hex'));
    });
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function playProbes(t: Teardowns, binary: string | undefined) {
  const ports = await Promise.all(probeRows.map((row) => serveProbe(t, row)));
  const clusters = probeRows.map(({ check, grpc }, i) =>
    cluster(`row${i}`, [ports[i]!], {
      ...(grpc === undefined ? {} : { http2_protocol_options: {} }),
      health_checks: [
        {
          timeout: '1s',
          interval: '600s',
          no_traffic_interval: '600s',
          unhealthy_threshold: 1,
          healthy_threshold: 1,
          ...check,
        },
      ],
    }),
  );
  const bootstrap = { static_resources: { clusters, listeners: [httpListener('main', [])] } };
  // Ready: each of them was checked once.
  const proxy = await ProxyProcess.start(t, bootstrap, binary);
  return Promise.all(probeRows.map((_, i) => look(proxy, `row${i}`, [ports[i]!])));
}

t.test('Answers to checks beside Envoy', async (t) => {
  const [ours, theirs] = await Promise.all([
    playProbes(t, undefined),
    envoyBinary === undefined ? undefined : playProbes(t, envoyBinary),
  ]);
  for (const [i, { what, healthy }] of probeRows.entries()) {
    t.equal(ours[i]!.lines.includes(`row${i}::host0::health_flags::healthy`), healthy, what);
    if (theirs === undefined) continue;
    t.strictSame(ours[i]!.lines, theirs[i]!.lines, `${what}: /clusters`);
    t.strictSame(ours[i]!.stats, theirs[i]!.stats, `${what}: stats`);
  }
});
