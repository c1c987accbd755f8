// [m] The configuration after reading: what the YAML kinds mean to the builders, free of YAML and of old API versions.

export interface ConfigMeta {
  readonly kind: string;
  readonly name: string;
  readonly namespace: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  readonly file: string;
  readonly document: number;
  readonly line: number;
}

// ---- VirtualService

export interface StringMatch {
  readonly kind: 'exact' | 'prefix' | 'regex';
  readonly value: string;
}

/** Headers and query parameters may also be asked to be present with any value. */
export type ValueMatch = StringMatch | { readonly kind: 'present' };

export interface HttpMatch {
  readonly name: string;
  readonly uri: StringMatch | undefined;
  readonly ignoreUriCase: boolean;
  readonly scheme: StringMatch | undefined;
  readonly method: StringMatch | undefined;
  readonly authority: StringMatch | undefined;
  readonly headers: ReadonlyMap<string, ValueMatch>;
  readonly withoutHeaders: ReadonlyMap<string, ValueMatch>;
  readonly queryParams: ReadonlyMap<string, ValueMatch>;
  readonly port: number | undefined;
  /** Decided here, by the labels of the proxy that asks; never sent. */
  readonly sourceLabels: ReadonlyMap<string, string>;
  readonly sourceNamespace: string | undefined;
  readonly gateways: readonly string[];
  readonly statPrefix: string | undefined;
}

export interface HeaderOperations {
  readonly set: ReadonlyMap<string, string>;
  readonly add: ReadonlyMap<string, string>;
  readonly remove: readonly string[];
}

export interface Headers {
  readonly request: HeaderOperations;
  readonly response: HeaderOperations;
}

export interface Destination {
  readonly host: string;
  readonly subset: string;
  readonly port: number | undefined;
}

export interface WeightedDestination {
  readonly destination: Destination;
  readonly weight: number;
  readonly headers: Headers;
}

export interface Fault {
  readonly delay: { readonly fixedDelayMs: number; readonly percent: number } | undefined;
  readonly abort:
    | { readonly httpStatus: number; readonly grpcStatus?: never; readonly percent: number }
    | { readonly grpcStatus: number; readonly httpStatus?: never; readonly percent: number }
    | undefined;
}

export interface Retries {
  readonly attempts: number;
  readonly perTryTimeoutMs: number | undefined;
  readonly retryOn: string;
  readonly retryRemoteLocalities: boolean;
  readonly ignorePreviousHosts: boolean;
  readonly backoffMs: number | undefined;
}

export interface Rewrite {
  readonly uri: string | undefined;
  readonly authority: string | undefined;
  readonly uriRegex: { readonly match: string; readonly rewrite: string } | undefined;
}

export interface Redirect {
  readonly uri: string | undefined;
  readonly authority: string | undefined;
  readonly scheme: string | undefined;
  readonly port: number | 'FROM_PROTOCOL_DEFAULT' | 'FROM_REQUEST_PORT' | undefined;
  readonly code: number;
}

export interface DirectResponse {
  readonly status: number;
  readonly text: string | undefined;
  readonly base64: string | undefined;
}

export interface Mirror {
  readonly destination: Destination;
  readonly percent: number;
}

export interface CorsPolicy {
  readonly allowOrigins: readonly StringMatch[];
  readonly allowMethods: readonly string[];
  readonly allowHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly maxAgeMs: number | undefined;
  readonly allowCredentials: boolean | undefined;
  readonly forwardUnmatchedPreflights: boolean;
}

export interface HttpRoute {
  readonly name: string;
  /** Any of them; none means every request. */
  readonly matches: readonly HttpMatch[];
  readonly route: readonly WeightedDestination[];
  readonly redirect: Redirect | undefined;
  readonly directResponse: DirectResponse | undefined;
  readonly rewrite: Rewrite | undefined;
  /** 0 or absent: no time limit. */
  readonly timeoutMs: number | undefined;
  readonly retries: Retries | undefined;
  readonly fault: Fault | undefined;
  readonly mirrors: readonly Mirror[];
  readonly cors: CorsPolicy | undefined;
  readonly headers: Headers;
  /** Shown in the route's metadata, so that a dump leads back to the YAML. */
  readonly configPath: string | undefined;
}

export interface VirtualService {
  readonly meta: ConfigMeta;
  readonly hosts: readonly string[];
  readonly gateways: readonly string[];
  readonly exportTo: readonly string[];
  readonly http: readonly HttpRoute[];
}

// ---- DestinationRule

export const LB_POLICIES = [
  'UNSPECIFIED',
  'LEAST_REQUEST',
  'RANDOM',
  'ROUND_ROBIN',
  'PASSTHROUGH',
  'LEAST_CONN',
] as const;
export type SimpleLoadBalancer = (typeof LB_POLICIES)[number];

export interface ConsistentHash {
  readonly headerName: string | undefined;
  readonly cookie:
    | {
        readonly name: string;
        readonly path: string | undefined;
        readonly ttlMs: number | undefined;
      }
    | undefined;
  readonly sourceIp: boolean;
  readonly queryParameter: string | undefined;
  readonly maglevTableSize: number | undefined;
  readonly minimumRingSize: number | undefined;
}

export interface LoadBalancer {
  readonly simple: SimpleLoadBalancer | undefined;
  readonly consistentHash: ConsistentHash | undefined;
  readonly warmup:
    | {
        readonly durationMs: number;
        readonly minimumPercent: number | undefined;
        readonly aggression: number | undefined;
      }
    | undefined;
}

export interface ConnectionPool {
  readonly maxConnections: number | undefined;
  readonly connectTimeoutMs: number | undefined;
  readonly tcpIdleTimeoutMs: number | undefined;
  readonly maxConnectionDurationMs: number | undefined;
  readonly keepalive:
    | {
        readonly probes: number | undefined;
        readonly timeMs: number | undefined;
        readonly intervalMs: number | undefined;
      }
    | undefined;
  readonly maxPendingRequests: number | undefined;
  readonly maxRequests: number | undefined;
  readonly maxRequestsPerConnection: number | undefined;
  readonly maxRetries: number | undefined;
  readonly httpIdleTimeoutMs: number | undefined;
  readonly maxConcurrentStreams: number | undefined;
  readonly h2Upgrade: boolean;
  readonly useClientProtocol: boolean;
}

export interface OutlierDetection {
  readonly consecutive5xx: number | undefined;
  readonly consecutiveGatewayErrors: number | undefined;
  readonly consecutiveLocalOriginFailures: number | undefined;
  readonly splitLocalOrigin: boolean;
  readonly intervalMs: number | undefined;
  readonly baseEjectionMs: number | undefined;
  readonly maxEjectionPercent: number | undefined;
  readonly minHealthPercent: number;
}

export const TLS_MODES = ['DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL'] as const;
export type ClientTlsMode = (typeof TLS_MODES)[number];

/** How TLS is begun towards a server outside the mesh (SIMPLE, MUTUAL). Paths are the sidecar's. */
export interface OriginationTls {
  /** Undefined: the host that the request asks for. */
  readonly sni: string | undefined;
  readonly subjectAltNames: readonly string[];
  /** Undefined: the system's roots. */
  readonly caCertificates: string | undefined;
  /** MUTUAL alone. */
  readonly identity: { readonly certificate: string; readonly key: string } | undefined;
  readonly insecureSkipVerify: boolean;
}

export interface TrafficPolicy {
  readonly loadBalancer: LoadBalancer | undefined;
  readonly connectionPool: ConnectionPool | undefined;
  readonly outlierDetection: OutlierDetection | undefined;
  readonly tlsMode: ClientTlsMode | undefined;
  /** With SIMPLE and MUTUAL. */
  readonly origination: OriginationTls | undefined;
  readonly portLevel: ReadonlyMap<number, TrafficPolicy>;
}

export interface Subset {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly policy: TrafficPolicy | undefined;
}

export interface DestinationRule {
  readonly meta: ConfigMeta;
  readonly host: string;
  readonly exportTo: readonly string[];
  readonly policy: TrafficPolicy | undefined;
  readonly subsets: readonly Subset[];
}

// ---- security and scope

export const MTLS_MODES = ['DISABLE', 'PERMISSIVE', 'STRICT'] as const;
export type MtlsMode = (typeof MTLS_MODES)[number];

export interface PeerAuthentication {
  readonly meta: ConfigMeta;
  readonly selector: ReadonlyMap<string, string>;
  /** Absent: inherited. */
  readonly mode: MtlsMode | undefined;
  readonly portModes: ReadonlyMap<number, MtlsMode>;
}

export interface Sidecar {
  readonly meta: ConfigMeta;
  readonly selector: ReadonlyMap<string, string>;
  /** `namespace/host` each; absent: everything. */
  readonly egressHosts: readonly string[] | undefined;
  readonly allowAny: boolean | undefined;
}

// ---- services and workloads

export const PROTOCOLS = [
  'HTTP',
  'HTTP2',
  'GRPC',
  'GRPC-WEB',
  'HTTPS',
  'TLS',
  'TCP',
  'MONGO',
  'MYSQL',
  'REDIS',
  'UDP',
] as const;
/** AUTO: the port declares nothing, so the bytes decide. */
export type Protocol = (typeof PROTOCOLS)[number] | 'AUTO';

export interface ServicePort {
  readonly number: number;
  readonly name: string;
  readonly protocol: Protocol;
  /** A port name is looked up in each workload. */
  readonly targetPort: number | string;
  /** Whether the target port was given, rather than taken from `number`. */
  readonly hasTargetPort: boolean;
}

export type TlsMode = 'istio' | 'disabled';

export interface Workload {
  readonly meta: ConfigMeta;
  readonly address: string;
  readonly labels: ReadonlyMap<string, string>;
  /** Service port name to number; wins over the service's target port. */
  readonly ports: ReadonlyMap<string, number>;
  /** A pod's container ports by name: what a named target port is looked up in. */
  readonly containerPorts: ReadonlyMap<string, number>;
  readonly workloadName: string;
  readonly serviceAccount: string;
  /** Whether a sidecar that takes Istio mTLS is expected in front of it. */
  readonly tlsMode: TlsMode;
  /** region/zone/subzone, shorter forms too. */
  readonly locality: string;
  readonly weight: number;
}

export interface InlineEndpoint {
  readonly address: string;
  readonly ports: ReadonlyMap<string, number>;
  readonly labels: ReadonlyMap<string, string>;
  readonly serviceAccount: string;
  readonly tlsMode: TlsMode;
  readonly locality: string;
  readonly weight: number;
  readonly workloadName: string;
}

export interface Service {
  readonly meta: ConfigMeta;
  readonly registry: 'Kubernetes' | 'External';
  readonly host: string;
  readonly addresses: readonly string[];
  readonly ports: readonly ServicePort[];
  /** STATIC: EDS from workloads; DNS: resolved by the proxy; NONE: the original destination. */
  readonly resolution: 'STATIC' | 'DNS' | 'DNS_ROUND_ROBIN' | 'NONE';
  readonly meshExternal: boolean;
  readonly selector: ReadonlyMap<string, string>;
  readonly endpoints: readonly InlineEndpoint[];
  readonly exportTo: readonly string[];
}

/** Kubernetes Endpoints or EndpointSlice: addresses of one service, beside those its selector finds. */
export interface EndpointsOfService {
  readonly meta: ConfigMeta;
  readonly service: string;
  readonly endpoints: readonly InlineEndpoint[];
}

export type ConfigItem =
  | { readonly type: 'virtual-service'; readonly meta: ConfigMeta; readonly value: VirtualService }
  | { readonly type: 'route-rule'; readonly meta: ConfigMeta; readonly value: RouteRule }
  | {
      readonly type: 'destination-rule';
      readonly meta: ConfigMeta;
      readonly value: DestinationRule;
    }
  | {
      readonly type: 'peer-authentication';
      readonly meta: ConfigMeta;
      readonly value: PeerAuthentication;
    }
  | { readonly type: 'sidecar'; readonly meta: ConfigMeta; readonly value: Sidecar }
  | { readonly type: 'service'; readonly meta: ConfigMeta; readonly value: readonly Service[] }
  | { readonly type: 'workload'; readonly meta: ConfigMeta; readonly value: Workload }
  | { readonly type: 'endpoints'; readonly meta: ConfigMeta; readonly value: EndpointsOfService };

/** One rule of config.istio.io/v1alpha2, before the rules of a host are put in order. */
export interface RouteRule {
  readonly meta: ConfigMeta;
  readonly host: string;
  readonly precedence: number;
  /** Destinations name their subsets by labels; the names are given when DestinationRules are known. */
  readonly route: Omit<HttpRoute, 'route' | 'mirrors'>;
  readonly destinations: readonly LabelledDestination[];
}

export interface LabelledDestination {
  readonly host: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly weight: number;
}

export const noHeaders: Headers = {
  request: { set: new Map(), add: new Map(), remove: [] },
  response: { set: new Map(), add: new Map(), remove: [] },
};

/** `reviews` in namespace `default` is `reviews.default.svc.cluster.local`; names with a dot or `*` stand as they are. */
export function resolveHost(host: string, namespace: string, domain = 'cluster.local'): string {
  if (host.includes('.') || host.includes('*')) return host;
  return `${host}.${namespace}.svc.${domain}`;
}

export function matchesLabels(
  labels: ReadonlyMap<string, string>,
  selector: ReadonlyMap<string, string>,
): boolean {
  for (const [name, value] of selector) if (labels.get(name) !== value) return false;
  return true;
}
