// [m] What the bootstrap says of ProxyConfig's tracer, stats sinks and access log service: clusters of their own, found by DNS (istio-contract §5.2, §5.3).
import type { ExportOptions, ExportTarget, ExportTls } from '../export-options.ts';
import type { JsonObject } from '../proxy-config.ts';
import { overHttp2, socketAddress } from './bootstrap-static.ts';

const TRACE = 'type.googleapis.com/envoy.config.trace.v3';
const METRICS = 'type.googleapis.com/envoy.config.metrics.v3';
const UPSTREAM_TLS =
  'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
const METRICS_SERVICE = 'envoy_metrics_service';

interface ClusterShape {
  readonly name: string;
  readonly http2: boolean;
  readonly v6: boolean;
}

const file = (filename: string): JsonObject => ({ filename });

const fromAgent = (name: string): JsonObject => ({
  name,
  sds_config: {
    api_config_source: {
      api_type: 'GRPC',
      transport_api_version: 'V3',
      grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }],
    },
    initial_fetch_timeout: '0s',
    resource_api_version: 'V3',
  },
});

function certificates(tls: ExportTls): JsonObject {
  switch (tls.mode) {
    case 'SIMPLE':
      return {};
    case 'MUTUAL':
      return {
        tls_certificates: [
          {
            certificate_chain: file(tls.clientCertificate),
            private_key: file(tls.privateKey),
          },
        ],
      };
    case 'ISTIO_MUTUAL':
      return { tls_certificate_sds_secret_configs: [fromAgent('default')] };
  }
}

function trust(tls: ExportTls): JsonObject {
  const names = tls.subjectAltNames.flatMap((exact) =>
    ['DNS', 'URI'].map((san_type) => ({ san_type, matcher: { exact } })),
  );
  const context = names.length === 0 ? {} : { match_typed_subject_alt_names: names };
  if (tls.mode === 'ISTIO_MUTUAL') {
    return {
      combined_validation_context: {
        default_validation_context: context,
        validation_context_sds_secret_config: fromAgent('ROOTCA'),
      },
    };
  }
  return tls.caCertificates === ''
    ? {}
    : { validation_context: { ...context, trusted_ca: file(tls.caCertificates) } };
}

function transportSocket(tls: ExportTls, host: string, http2: boolean): JsonObject {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': UPSTREAM_TLS,
      sni: tls.sni === '' ? host : tls.sni,
      common_tls_context: {
        ...certificates(tls),
        ...trust(tls),
        ...(http2 ? { alpn_protocols: ['h2'] } : {}),
      },
    },
  };
}

function cluster({ name, http2, v6 }: ClusterShape, target: ExportTarget): JsonObject {
  const { host, port, tls, keepalive } = target;
  return {
    name,
    alt_stat_name: `${name};`,
    type: 'STRICT_DNS',
    respect_dns_ttl: true,
    dns_lookup_family: v6 ? 'V6_ONLY' : 'V4_ONLY',
    dns_refresh_rate: '30s',
    connect_timeout: '1s',
    lb_policy: 'ROUND_ROBIN',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(host, port, true) } }] }],
    },
    ...(tls === undefined ? {} : { transport_socket: transportSocket(tls, host, http2) }),
    ...(keepalive === undefined ? {} : { upstream_connection_options: keepaliveOf(keepalive) }),
    ...(http2 ? { typed_extension_protocol_options: overHttp2() } : {}),
  };
}

/** Durations become whole seconds. */
function keepaliveOf(keepalive: JsonObject): JsonObject {
  const seconds = (name: string): number | undefined => {
    const value = keepalive[name];
    const text = typeof value === 'string' ? /^([0-9]{1,6})s$/.exec(value)?.[1] : undefined;
    return text === undefined ? undefined : Number(text);
  };
  return {
    tcp_keepalive: {
      keepalive_probes: keepalive['probes'],
      keepalive_time: seconds('time'),
      keepalive_interval: seconds('interval'),
    },
  };
}

/** `v6`: the pod's family. */
export function exportClusters(exports: ExportOptions, v6: boolean): JsonObject[] {
  const { tracer, metricsService, accessLogService } = exports;
  const clusters: JsonObject[] = [];
  if (tracer !== undefined) {
    const name = tracer.kind === 'zipkin' ? 'zipkin' : 'datadog_agent';
    clusters.push(cluster({ name, http2: false, v6 }, tracer));
  }
  if (metricsService !== undefined)
    clusters.push(cluster({ name: METRICS_SERVICE, http2: true, v6 }, metricsService));
  if (accessLogService !== undefined)
    clusters.push(cluster({ name: 'envoy_accesslog_service', http2: true, v6 }, accessLogService));
  return clusters;
}

/** `serviceName`: the node's cluster. */
export function exportParts(exports: ExportOptions, serviceName: string): JsonObject {
  const sinks = statsSinks(exports);
  const { tracer } = exports;
  return {
    ...(tracer === undefined ? {} : { tracing: { http: tracerOf(tracer.kind, serviceName) } }),
    ...(sinks.length === 0 ? {} : { stats_sinks: sinks }),
  };
}

function tracerOf(kind: 'zipkin' | 'datadog', serviceName: string): JsonObject {
  if (kind === 'datadog') {
    return {
      name: 'envoy.tracers.datadog',
      typed_config: {
        '@type': `${TRACE}.DatadogConfig`,
        collector_cluster: 'datadog_agent',
        service_name: serviceName,
      },
    };
  }
  return {
    name: 'envoy.tracers.zipkin',
    typed_config: {
      '@type': `${TRACE}.ZipkinConfig`,
      collector_cluster: 'zipkin',
      collector_endpoint: '/api/v2/spans',
      collector_endpoint_version: 'HTTP_JSON',
      trace_id_128bit: true,
      shared_span_context: false,
    },
  };
}

function statsSinks({ metricsService, statsd }: ExportOptions): JsonObject[] {
  const sinks: JsonObject[] = [];
  if (metricsService !== undefined) {
    sinks.push({
      name: 'envoy.stat_sinks.metrics_service',
      typed_config: {
        '@type': `${METRICS}.MetricsServiceConfig`,
        transport_api_version: 'V3',
        grpc_service: { envoy_grpc: { cluster_name: METRICS_SERVICE } },
      },
    });
  }
  if (statsd !== undefined) {
    sinks.push({
      name: 'envoy.stat_sinks.statsd',
      typed_config: {
        '@type': `${METRICS}.StatsdSink`,
        address: socketAddress(statsd.host, statsd.port, true),
      },
    });
  }
  return sinks;
}
