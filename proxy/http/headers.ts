// [w] Well-known header names, interned: each name is one HeaderName object with the text ready to be written.
// The first 60 or so carry a bit, so that "is it there?" is one AND for the names every request is asked for.

export interface HeaderName {
  /** Lower-case. */
  readonly text: string;
  /** `text` and `: `, as the writer needs it. */
  readonly prefix: string;
  /** Which mask word (0 or 1) and bit; bit 0 means the name carries none and has to be looked for. */
  readonly word: 0 | 1;
  readonly bit: number;
  /** Envoy keeps a single value: a second line is joined with `,` (envoy-behaviour §2.1). */
  readonly inline: boolean;
  /** What HPACK's writer worked out about the name; 0 until it did. */
  hpack: number;
}

const registry = new Map<string, HeaderName>();
let nextBit = 0;

function known(text: string, inline: boolean): HeaderName {
  const index = nextBit++;
  const name: HeaderName = {
    text,
    prefix: `${text}: `,
    word: index < 30 ? 0 : 1,
    bit: 1 << (index % 30),
    inline,
    hpack: 0,
  };
  registry.set(text, name);
  return name;
}

const one = (text: string): HeaderName => known(text, true);

/** Names the proxy itself asks for. At most 60. */
export const H = {
  host: one('host'),
  connection: one('connection'),
  contentLength: one('content-length'),
  transferEncoding: one('transfer-encoding'),
  upgrade: one('upgrade'),
  te: one('te'),
  expect: one('expect'),
  keepAlive: one('keep-alive'),
  proxyConnection: one('proxy-connection'),
  contentType: one('content-type'),
  date: one('date'),
  server: one('server'),
  via: one('via'),
  location: one('location'),
  userAgent: one('user-agent'),
  referer: one('referer'),
  origin: one('origin'),
  xRequestId: one('x-request-id'),
  xForwardedFor: one('x-forwarded-for'),
  xForwardedProto: one('x-forwarded-proto'),
  xForwardedHost: one('x-forwarded-host'),
  xForwardedPort: one('x-forwarded-port'),
  xForwardedClientCert: one('x-forwarded-client-cert'),
  grpcStatus: one('grpc-status'),
  grpcMessage: one('grpc-message'),
  grpcTimeout: one('grpc-timeout'),
  accessControlRequestMethod: one('access-control-request-method'),
  http2Settings: known('http2-settings', false),
  xEnvoyInternal: one('x-envoy-internal'),
  xEnvoyExternalAddress: one('x-envoy-external-address'),
  xEnvoyRetryOn: one('x-envoy-retry-on'),
  xEnvoyRetryGrpcOn: one('x-envoy-retry-grpc-on'),
  xEnvoyMaxRetries: one('x-envoy-max-retries'),
  xEnvoyRetriableStatusCodes: one('x-envoy-retriable-status-codes'),
  xEnvoyRetriableHeaderNames: one('x-envoy-retriable-header-names'),
  xEnvoyUpstreamRqTimeoutMs: one('x-envoy-upstream-rq-timeout-ms'),
  xEnvoyUpstreamRqPerTryTimeoutMs: one('x-envoy-upstream-rq-per-try-timeout-ms'),
  xEnvoyUpstreamRqTimeoutAltResponse: one('x-envoy-upstream-rq-timeout-alt-response'),
  xEnvoyExpectedRqTimeoutMs: one('x-envoy-expected-rq-timeout-ms'),
  xEnvoyUpstreamAltStatName: one('x-envoy-upstream-alt-stat-name'),
  xEnvoyUpstreamStreamDurationMs: one('x-envoy-upstream-stream-duration-ms'),
  xEnvoyHedgeOnPerTryTimeout: one('x-envoy-hedge-on-per-try-timeout'),
  xEnvoyForceTrace: one('x-envoy-force-trace'),
  xEnvoyIpTags: one('x-envoy-ip-tags'),
  xEnvoyOriginalUrl: one('x-envoy-original-url'),
  xEnvoyOriginalPath: one('x-envoy-original-path'),
  xEnvoyOriginalHost: one('x-envoy-original-host'),
  xEnvoyDecoratorOperation: one('x-envoy-decorator-operation'),
  xEnvoyDownstreamServiceCluster: one('x-envoy-downstream-service-cluster'),
  xEnvoyDownstreamServiceNode: one('x-envoy-downstream-service-node'),
  xEnvoyAttemptCount: one('x-envoy-attempt-count'),
  xEnvoyOverloaded: one('x-envoy-overloaded'),
  xEnvoyRateLimited: one('x-envoy-ratelimited'),
  xEnvoyUpstreamServiceTime: one('x-envoy-upstream-service-time'),
  xEnvoyUpstreamCanary: one('x-envoy-upstream-canary'),
  xClientTraceId: one('x-client-trace-id'),
  cookie: known('cookie', false),
  setCookie: known('set-cookie', false),
  accept: one('accept'),
  authorization: one('authorization'),
} as const;

/** Envoy's other inline headers: joined like the ones above, but nobody needs a bit for them. */
for (const text of [
  'access-control-allow-credentials',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-allow-origin',
  'access-control-allow-private-network',
  'access-control-expose-headers',
  'access-control-max-age',
  'access-control-request-headers',
  'access-control-request-private-network',
  'cache-control',
  'content-encoding',
  'accept-encoding',
  'etag',
  'grpc-accept-encoding',
  'x-envoy-original-dst-host',
]) {
  registry.set(text, { text, prefix: `${text}: `, word: 0, bit: 0, inline: true, hpack: 0 });
}

const unknownName = (text: string): HeaderName => ({
  text,
  prefix: `${text}: `,
  word: 0,
  bit: 0,
  inline: false,
  hpack: 0,
});

/** For names from configuration (lower-case): the same object every time. Never call it with wire data. */
export function headerName(text: string): HeaderName {
  let name = registry.get(text);
  if (name === undefined) {
    name = unknownName(text);
    registry.set(text, name);
  }
  return name;
}

/** For names off the wire (lower-case): a registered name, or a fresh one that is not kept. */
export const wireHeaderName = (text: string): HeaderName => registry.get(text) ?? unknownName(text);
