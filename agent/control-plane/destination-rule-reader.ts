// [m] DestinationRule: subsets and traffic policies. Istio: networking/v1 DestinationRule.
import type { FieldReader } from './field-reader.ts';
import { LB_POLICIES, TLS_MODES } from './istio-model.ts';
import type {
  ClientTlsMode,
  ConfigMeta,
  ConnectionPool,
  ConsistentHash,
  DestinationRule,
  LoadBalancer,
  OriginationTls,
  OutlierDetection,
  TrafficPolicy,
} from './istio-model.ts';

const MAX_COUNT = 0x7fffffff;

function readHash(field: FieldReader): ConsistentHash | undefined {
  if (!field.present) return undefined;
  field.object([
    'httpHeaderName',
    'httpCookie',
    'useSourceIp',
    'httpQueryParameterName',
    'ringHash',
    'maglev',
    'minimumRingSize',
  ]);
  const cookie = field
    .at('httpCookie')
    .object(['name', 'path', 'ttl', 'attributes'])
    .unsupported(['attributes']);
  return {
    headerName: field.at('httpHeaderName').text(),
    cookie: cookie.present
      ? {
          name: cookie.at('name').requiredText(),
          path: cookie.at('path').text(),
          ttlMs: cookie.at('ttl').durationMs(),
        }
      : undefined,
    sourceIp: field.at('useSourceIp').flag() ?? false,
    queryParameter: field.at('httpQueryParameterName').text(),
    maglevTableSize: field.at('maglev').present
      ? (field.at('maglev').object(['tableSize']).at('tableSize').integer(0, MAX_COUNT) ?? 0)
      : undefined,
    minimumRingSize: field.at('ringHash').present
      ? (field
          .at('ringHash')
          .object(['minimumRingSize'])
          .at('minimumRingSize')
          .integer(0, MAX_COUNT) ?? 0)
      : field.at('maglev').present
        ? undefined
        : (field.at('minimumRingSize').integer(0, MAX_COUNT) ?? 1024),
  };
}

function readLoadBalancer(field: FieldReader): LoadBalancer | undefined {
  if (!field.present) return undefined;
  field
    .unsupported(['localityLbSetting'])
    .object(['simple', 'consistentHash', 'warmup', 'warmupDurationSecs', 'localityLbSetting']);
  const warmup = field.at('warmup').object(['duration', 'minimumPercent', 'aggression']);
  const durationMs = warmup.present
    ? warmup.at('duration').required().durationMs()
    : field.at('warmupDurationSecs').durationMs();
  return {
    simple: field.at('simple').choice(LB_POLICIES),
    consistentHash: readHash(field.at('consistentHash')),
    warmup:
      durationMs === undefined
        ? undefined
        : {
            durationMs,
            minimumPercent: warmup.at('minimumPercent').number(0, 100),
            aggression: warmup.at('aggression').number(1, 1000),
          },
  };
}

function readPool(field: FieldReader): ConnectionPool | undefined {
  if (!field.present) return undefined;
  field.object(['tcp', 'http']);
  const tcp = field
    .at('tcp')
    .object([
      'maxConnections',
      'connectTimeout',
      'idleTimeout',
      'maxConnectionDuration',
      'tcpKeepalive',
    ]);
  const keepalive = tcp.at('tcpKeepalive').object(['probes', 'time', 'interval']);
  const http = field
    .at('http')
    .object([
      'http1MaxPendingRequests',
      'http2MaxRequests',
      'maxRequestsPerConnection',
      'maxRetries',
      'idleTimeout',
      'maxConcurrentStreams',
      'h2UpgradePolicy',
      'useClientProtocol',
    ]);
  return {
    maxConnections: tcp.at('maxConnections').integer(0, MAX_COUNT),
    connectTimeoutMs: tcp.at('connectTimeout').durationMs(),
    tcpIdleTimeoutMs: tcp.at('idleTimeout').durationMs(),
    maxConnectionDurationMs: tcp.at('maxConnectionDuration').durationMs(),
    keepalive: keepalive.present
      ? {
          probes: keepalive.at('probes').integer(0, MAX_COUNT),
          timeMs: keepalive.at('time').durationMs(),
          intervalMs: keepalive.at('interval').durationMs(),
        }
      : undefined,
    maxPendingRequests: http.at('http1MaxPendingRequests').integer(0, MAX_COUNT),
    maxRequests: http.at('http2MaxRequests').integer(0, MAX_COUNT),
    maxRequestsPerConnection: http.at('maxRequestsPerConnection').integer(0, MAX_COUNT),
    maxRetries: http.at('maxRetries').integer(0, MAX_COUNT),
    httpIdleTimeoutMs: http.at('idleTimeout').durationMs(),
    maxConcurrentStreams: http.at('maxConcurrentStreams').integer(0, MAX_COUNT),
    h2Upgrade:
      http.at('h2UpgradePolicy').choice(['DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE']) === 'UPGRADE',
    useClientProtocol: http.at('useClientProtocol').flag() ?? false,
  };
}

function readOutlier(field: FieldReader): OutlierDetection | undefined {
  if (!field.present) return undefined;
  field.object([
    'consecutive5xxErrors',
    'consecutiveErrors',
    'consecutiveGatewayErrors',
    'consecutiveLocalOriginFailures',
    'splitExternalLocalOriginErrors',
    'interval',
    'baseEjectionTime',
    'maxEjectionPercent',
    'minHealthPercent',
  ]);
  return {
    consecutive5xx: field.at('consecutive5xxErrors').integer(0, MAX_COUNT),
    consecutiveGatewayErrors:
      field.at('consecutiveGatewayErrors').integer(0, MAX_COUNT) ??
      field.at('consecutiveErrors').integer(0, MAX_COUNT),
    consecutiveLocalOriginFailures: field
      .at('consecutiveLocalOriginFailures')
      .integer(0, MAX_COUNT),
    splitLocalOrigin: field.at('splitExternalLocalOriginErrors').flag() ?? false,
    intervalMs: field.at('interval').durationMs(),
    baseEjectionMs: field.at('baseEjectionTime').durationMs(),
    maxEjectionPercent: field.at('maxEjectionPercent').integer(0, 100),
    minHealthPercent: field.at('minHealthPercent').integer(0, 100) ?? 0,
  };
}

interface ReadTls {
  readonly tlsMode: ClientTlsMode | undefined;
  readonly origination: OriginationTls | undefined;
}

function readTls(field: FieldReader): ReadTls {
  if (!field.present) return { tlsMode: undefined, origination: undefined };
  field
    .unsupported(['credentialName', 'caCrl'])
    .object([
      'mode',
      'clientCertificate',
      'privateKey',
      'caCertificates',
      'credentialName',
      'subjectAltNames',
      'sni',
      'insecureSkipVerify',
      'caCrl',
    ]);
  const tlsMode = field.at('mode').choice(TLS_MODES) ?? 'DISABLE';
  if (tlsMode !== 'SIMPLE' && tlsMode !== 'MUTUAL') return { tlsMode, origination: undefined };
  const identity =
    tlsMode === 'MUTUAL'
      ? {
          certificate: field.at('clientCertificate').requiredText(),
          key: field.at('privateKey').requiredText(),
        }
      : undefined;
  return {
    tlsMode,
    origination: {
      sni: field.at('sni').text(),
      subjectAltNames: field.at('subjectAltNames').texts(),
      caCertificates: field.at('caCertificates').text(),
      identity,
      insecureSkipVerify: field.at('insecureSkipVerify').flag() ?? false,
    },
  };
}

export function readTrafficPolicy(field: FieldReader): TrafficPolicy | undefined {
  if (!field.present) return undefined;
  field
    .unsupported(['tunnel', 'proxyProtocol', 'retryBudget'])
    .object([
      'loadBalancer',
      'connectionPool',
      'outlierDetection',
      'tls',
      'portLevelSettings',
      'port',
      'tunnel',
      'proxyProtocol',
      'retryBudget',
    ]);
  const portLevel = new Map<number, TrafficPolicy>();
  for (const item of field.at('portLevelSettings').items()) {
    const port = item.at('port').required().object(['number']).at('number').required().port();
    const policy = readTrafficPolicy(item);
    if (port !== undefined && policy !== undefined) portLevel.set(port, policy);
  }
  return {
    loadBalancer: readLoadBalancer(field.at('loadBalancer')),
    connectionPool: readPool(field.at('connectionPool')),
    outlierDetection: readOutlier(field.at('outlierDetection')),
    ...readTls(field.at('tls')),
    portLevel,
  };
}

export function readDestinationRule(meta: ConfigMeta, spec: FieldReader): DestinationRule {
  spec
    .unsupported(['workloadSelector'])
    .object(['host', 'subsets', 'trafficPolicy', 'exportTo', 'workloadSelector']);
  const names = new Set<string>();
  const subsets = spec
    .at('subsets')
    .items()
    .map((item) => {
      item.object(['name', 'labels', 'trafficPolicy']);
      const name = item.at('name').requiredText();
      if (names.has(name)) item.at('name').fail(`names the subset ${name} a second time`);
      names.add(name);
      return {
        name,
        labels: item.at('labels').textMap(),
        policy: readTrafficPolicy(item.at('trafficPolicy')),
      };
    });
  return {
    meta,
    host: spec.at('host').requiredText(),
    exportTo: spec.at('exportTo').texts(),
    policy: readTrafficPolicy(spec.at('trafficPolicy')),
    subsets,
  };
}
