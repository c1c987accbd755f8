// Health checks and outlier detection of clusters: what they become, and what is refused.
import t from 'tap';
import { cluster } from './decoding.ts';
import type { Json } from './decoding.ts';

const base = { timeout: '1s', interval: '5s', unhealthy_threshold: 2, healthy_threshold: 3 };
const http = { http_health_check: { path: '/' } };
const checked = (more: Json, clusterMore: Json = {}) =>
  cluster({ name: 'c', health_checks: [{ ...base, ...more }], ...clusterMore });
const SINK =
  'type.googleapis.com/envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink';

t.test('decodeHealthCheck', (t) => {
  t.test('fills in what is not said', (t) => {
    const { healthCheck } = checked(http);
    t.match(healthCheck, {
      timeoutMs: 1000,
      reuseConnection: true,
      intervals: {
        intervalMs: 5000,
        noTrafficMs: 60_000,
        noTrafficHealthyMs: 60_000,
        unhealthyMs: 5000,
        unhealthyEdgeMs: 5000,
        healthyEdgeMs: 5000,
      },
      checker: {
        kind: 'http',
        method: 'GET',
        http2: false,
        expectedStatuses: [{ start: 200, end: 201 }],
        responseBufferBytes: 1024,
      },
    });
    t.equal(cluster({ name: 'c' }).healthCheck, undefined);
    t.end();
  });

  t.test('reads payloads, headers and places of logs', (t) => {
    const { healthCheck } = checked({
      tcp_health_check: { send: { text: '0aFF' }, receive: [{ binary: 'AQI=' }] },
      event_log_path: '/a',
      event_logger: [{ name: 's', typed_config: { '@type': SINK, event_log_path: '/b' } }],
    });
    t.match(healthCheck, {
      checker: { send: new Uint8Array([10, 255]), receive: [new Uint8Array([1, 2])] },
      log: { paths: ['/a', '/b'] },
    });
    const headers = checked({
      http_health_check: {
        path: '/',
        request_headers_to_add: [{ header: { key: 'A', value: 'b' } }],
        request_headers_to_remove: ['User-Agent'],
      },
    }).healthCheck!.checker;
    t.match(headers, {
      headers: [
        { kind: 'remove', name: 'user-agent' },
        { kind: 'append', add: { name: 'a', value: 'b' } },
      ],
    });
    t.end();
  });

  const refused: readonly (readonly [what: string, more: Json, message: RegExp])[] = [
    ['none of the checkers', {}, /one of http_health_check/],
    [
      'redis',
      { custom_health_check: { name: 'envoy.health_checkers.redis' } },
      /envoy\.health_checkers\.redis is not supported/,
    ],
    [
      'thrift',
      { custom_health_check: { name: 'envoy.health_checkers.thrift' } },
      /envoy\.health_checkers\.thrift is not supported/,
    ],
    ['gRPC without HTTP/2', { grpc_health_check: {} }, /c cluster must support HTTP\/2 for gRPC/],
    ['no path', { http_health_check: {} }, /path/],
    ['CONNECT', { http_health_check: { path: '/', method: 'CONNECT' } }, /must not be CONNECT/],
    ['HTTP/3', { http_health_check: { path: '/', codec_client_type: 'HTTP3' } }, /HTTP3/],
    [
      'a GET with a body',
      { http_health_check: { path: '/', send: { text: '00' } } },
      /payload with method 'GET'/,
    ],
    [
      'no hexadecimal',
      { tcp_health_check: { receive: [{ text: 'zz' }] } },
      /invalid hex string 'zz'/,
    ],
    ['half a byte', { tcp_health_check: { receive: [{ text: 'abc' }] } }, /invalid hex string/],
    ['an empty payload', { tcp_health_check: { receive: [{}] } }, /one of text, binary/],
    [
      'statuses below 100',
      { http_health_check: { path: '/', expected_statuses: [{ start: 50, end: 200 }] } },
      /start >= 100/,
    ],
    [
      'statuses above 600',
      { http_health_check: { path: '/', retriable_statuses: [{ start: 500, end: 601 }] } },
      /retriable status range: expecting end <= 600/,
    ],
    [
      'statuses the wrong way round',
      { http_health_check: { path: '/', expected_statuses: [{ start: 300, end: 200 }] } },
      /start < end/,
    ],
    [
      'removal of host',
      { http_health_check: { path: '/', request_headers_to_remove: ['host'] } },
      /may not be removed/,
    ],
    ['no interval at all', { ...http, interval: '0s' }, /greater than 0s/],
    [
      'an unknown sink',
      {
        ...http,
        event_logger: [
          { name: 'x', typed_config: { '@type': 'type.googleapis.com/google.protobuf.Empty' } },
        ],
      },
      /event_logger/,
    ],
    ['a service for events', { ...http, event_service: {} }, /event_service/],
  ];
  for (const [what, more, message] of refused) {
    t.test(`refuses ${what}`, (t) => {
      t.throws(() => checked(more), { message });
      t.end();
    });
  }

  t.test('refuses two of them, and none of what it needs', (t) => {
    t.throws(
      () => cluster({ name: 'c', health_checks: [base, base].map((b) => ({ ...b, ...http })) }),
      {
        message: /health_checks: more than one/,
      },
    );
    for (const field of Object.keys(base)) {
      const { [field as keyof typeof base]: _, ...rest } = base;
      t.throws(() => cluster({ name: 'c', health_checks: [{ ...rest, ...http }] }), {
        message: new RegExp(`health_checks\\[0\\].${field}`),
      });
    }
    t.end();
  });
  t.end();
});

t.test('decodeOutlierDetection', (t) => {
  t.test('refuses matchers of its own for answers', (t) => {
    const options = {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http_protocol_options: {} },
      outlier_detection: {},
    };
    const typed_extension_protocol_options = { http: options };
    t.throws(() => cluster({ name: 'c', typed_extension_protocol_options }), {
      message: /outlier_detection/,
    });
    t.end();
  });

  const detection = (more: Json) =>
    cluster({ name: 'c', outlier_detection: more }).outlierDetection;
  t.test('has defaults', (t) => {
    t.match(detection({}), {
      intervalMs: 10_000,
      baseEjectionMs: 30_000,
      maxEjectionMs: 300_000,
      maxEjectionPercent: 10,
      consecutive: {
        http5xx: 5,
        gatewayFailure: 5,
        enforcingHttp5xx: 100,
        enforcingGatewayFailure: 0,
      },
      successRate: { minimumHosts: 5, requestVolume: 100, stdevFactor: 1900 },
      failurePercentage: { threshold: 85, enforcing: 0 },
    });
    t.equal(detection({ base_ejection_time: '400s' })!.maxEjectionMs, 400_000);
    t.end();
  });
  const refused: readonly (readonly [more: Json, message: RegExp])[] = [
    [
      { base_ejection_time: '30s', max_ejection_time: '10s' },
      /cannot be smaller than base_ejection_time/,
    ],
    [{ interval: '0s' }, /interval/],
    [{ base_ejection_time: '0s' }, /base_ejection_time/],
    [{ max_ejection_percent: 101 }, /max_ejection_percent/],
    [{ enforcing_success_rate: 101 }, /enforcing_success_rate/],
    [{ monitors: [{ name: 'm' }] }, /monitors/],
  ];
  for (const [more, message] of refused) {
    t.test(`refuses ${JSON.stringify(more)}`, (t) => {
      t.throws(() => detection(more), { message });
      t.end();
    });
  }
  t.end();
});
