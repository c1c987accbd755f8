// What a start-up line and /config_dump say of things that are not built.
import t from 'tap';
import { inertParts } from '../../../proxy/xds/inert-parts.ts';
import { cluster, listener, managerListener, routerFilter, routes } from './decoding.ts';

const HTTP = 'type.googleapis.com/envoy.extensions.filters.http';

t.test('inertParts', (t) => {
  t.test('names filters, logs, tracing and route settings once each, sorted', (t) => {
    const stats = {
      name: 'istio.stats',
      typed_config: { '@type': 'type.googleapis.com/stats.PluginConfig' },
    };
    const rbac = { name: 'rbac', typed_config: { '@type': `${HTTP}.rbac.v3.RBAC`, rules: {} } };
    const otel =
      'type.googleapis.com/envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig';
    const config = listener(
      managerListener({
        tracing: {},
        access_log: [{ name: 'otel', typed_config: { '@type': otel } }],
        http_filters: [stats, stats, rbac, routerFilter],
      }),
    );
    t.strictSame(inertParts({ listener: config }), [
      'access log otel: does nothing in this version',
      'http connection manager tracing spans: does nothing in this version',
      'http filter istio.stats: does nothing in this version',
      'http filter rbac: not enforced in this version, refuses requests',
    ]);
    t.end();
  });

  t.test('names parts of clusters and of route tables', (t) => {
    const hashing = cluster({ name: 'c', lrs_server: {} });
    t.strictSame(inertParts({ cluster: hashing }), [
      'cluster lrs_server: does nothing in this version',
    ]);
    const tls = {
      name: 'tls',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      },
    };
    const match = { name: 'm', match: { tlsMode: 'istio' }, transport_socket: tls };
    const secure = cluster({ name: 'c', transport_socket_matches: [match] });
    t.strictSame(inertParts({ cluster: secure }), []);
    const table = routes({
      name: 'r',
      virtual_hosts: [
        {
          name: 'h',
          domains: ['*'],
          routes: [{ match: { prefix: '/' }, route: { cluster: 'c', flush_timeout: '1s' } }],
        },
      ],
      typed_per_filter_config: {
        jwt: { '@type': `${HTTP}.jwt_authn.v3.PerRouteConfig`, requirement_name: 'x' },
      },
    });
    t.strictSame(inertParts({ routes: table }), [
      'per-route settings of http filter jwt: not enforced in this version, refuses requests',
      'route table flush_timeout of routes: does nothing in this version',
    ]);
    t.end();
  });
  t.end();
});
