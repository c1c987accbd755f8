// [w] Well-known header names, interned: each name is one HeaderName object with the text ready to be written.
// The first 60 or so carry a bit, so that "is it there?" is one AND for the names every request is asked for.

export interface HeaderName {
  /** Lower-case. */
  readonly text: string;
  /** The CRLF of the line before, `text` and `: `, as the writer needs it. */
  readonly linePrefix: string;
  /** Which mask word (0 or 1) and bit; bit 0 means the name carries none and has to be looked for. */
  readonly word: 0 | 1;
  readonly bit: number;
  /** In which heads Envoy keeps a single value, a second line joined with `,` (envoy-behaviour §2.1): Inline bits. */
  readonly inline: number;
  /** What HPACK's writer worked out about the name; 0 until it did. */
  hpack: number;
}

/** Which heads a name is single in. Trailers count as responses. */
export const Inline = { Nowhere: 0, Request: 1, Response: 2, Everywhere: 3 } as const;
export type Inline = (typeof Inline)[keyof typeof Inline];

const registry = new Map<string, HeaderName>();
let nextBit = 0;

function known(text: string, inline: Inline): HeaderName {
  const index = nextBit++;
  const name: HeaderName = {
    text,
    linePrefix: `\r\n${text}: `,
    word: index < 30 ? 0 : 1,
    bit: 1 << (index % 30),
    inline,
    hpack: 0,
  };
  registry.set(text, name);
  return name;
}

const one = (text: string): HeaderName => known(text, Inline.Everywhere);
const asked = (text: string): HeaderName => known(text, Inline.Request);
const answered = (text: string): HeaderName => known(text, Inline.Response);

/** Names the proxy itself asks for. At most 60. */
export const H = {
  host: one('host'),
  connection: one('connection'),
  contentLength: one('content-length'),
  transferEncoding: one('transfer-encoding'),
  upgrade: one('upgrade'),
  te: asked('te'),
  expect: asked('expect'),
  keepAlive: one('keep-alive'),
  proxyConnection: one('proxy-connection'),
  contentType: one('content-type'),
  date: answered('date'),
  server: answered('server'),
  via: one('via'),
  location: answered('location'),
  userAgent: asked('user-agent'),
  referer: asked('referer'),
  origin: asked('origin'),
  xRequestId: one('x-request-id'),
  xForwardedFor: asked('x-forwarded-for'),
  xForwardedProto: asked('x-forwarded-proto'),
  xForwardedHost: asked('x-forwarded-host'),
  xForwardedPort: asked('x-forwarded-port'),
  xForwardedClientCert: asked('x-forwarded-client-cert'),
  grpcStatus: answered('grpc-status'),
  grpcMessage: answered('grpc-message'),
  grpcTimeout: asked('grpc-timeout'),
  accessControlRequestMethod: asked('access-control-request-method'),
  http2Settings: known('http2-settings', Inline.Nowhere),
  xEnvoyInternal: asked('x-envoy-internal'),
  xEnvoyExternalAddress: asked('x-envoy-external-address'),
  xEnvoyRetryOn: asked('x-envoy-retry-on'),
  xEnvoyRetryGrpcOn: asked('x-envoy-retry-grpc-on'),
  xEnvoyMaxRetries: asked('x-envoy-max-retries'),
  xEnvoyRetriableStatusCodes: asked('x-envoy-retriable-status-codes'),
  xEnvoyRetriableHeaderNames: asked('x-envoy-retriable-header-names'),
  xEnvoyUpstreamRqTimeoutMs: asked('x-envoy-upstream-rq-timeout-ms'),
  xEnvoyUpstreamRqPerTryTimeoutMs: asked('x-envoy-upstream-rq-per-try-timeout-ms'),
  xEnvoyUpstreamRqTimeoutAltResponse: asked('x-envoy-upstream-rq-timeout-alt-response'),
  xEnvoyExpectedRqTimeoutMs: asked('x-envoy-expected-rq-timeout-ms'),
  xEnvoyUpstreamAltStatName: asked('x-envoy-upstream-alt-stat-name'),
  xEnvoyUpstreamStreamDurationMs: asked('x-envoy-upstream-stream-duration-ms'),
  xEnvoyHedgeOnPerTryTimeout: asked('x-envoy-hedge-on-per-try-timeout'),
  xEnvoyForceTrace: asked('x-envoy-force-trace'),
  xEnvoyIpTags: asked('x-envoy-ip-tags'),
  xEnvoyOriginalUrl: asked('x-envoy-original-url'),
  xEnvoyOriginalPath: asked('x-envoy-original-path'),
  xEnvoyOriginalHost: asked('x-envoy-original-host'),
  xEnvoyDecoratorOperation: one('x-envoy-decorator-operation'),
  xEnvoyDownstreamServiceCluster: asked('x-envoy-downstream-service-cluster'),
  xEnvoyDownstreamServiceNode: asked('x-envoy-downstream-service-node'),
  xEnvoyAttemptCount: one('x-envoy-attempt-count'),
  xEnvoyOverloaded: known('x-envoy-overloaded', Inline.Nowhere),
  xEnvoyRateLimited: answered('x-envoy-ratelimited'),
  xEnvoyUpstreamServiceTime: answered('x-envoy-upstream-service-time'),
  xEnvoyUpstreamCanary: answered('x-envoy-upstream-canary'),
  xClientTraceId: asked('x-client-trace-id'),
  cookie: known('cookie', Inline.Nowhere),
  setCookie: known('set-cookie', Inline.Nowhere),
  accept: asked('accept'),
  authorization: asked('authorization'),
} as const;

/** Envoy's other inline headers: joined like the ones above, but nobody needs a bit for them. */
const OTHERS: readonly (readonly [inline: Inline, names: string])[] = [
  [
    Inline.Request,
    'accept-encoding access-control-request-headers access-control-request-private-network grpc-accept-encoding ' +
      'if-match if-modified-since if-none-match if-range if-unmodified-since pragma',
  ],
  [
    Inline.Response,
    'access-control-allow-credentials access-control-allow-headers access-control-allow-methods ' +
      'access-control-allow-origin access-control-allow-private-network access-control-expose-headers ' +
      'access-control-max-age age etag expires last-modified vary x-envoy-degraded ' +
      'x-envoy-immediate-health-check-fail x-envoy-upstream-healthchecked-cluster',
  ],
  [Inline.Everywhere, 'cache-control content-encoding proxy-status'],
];
for (const [inline, names] of OTHERS) {
  for (const text of names.split(' '))
    registry.set(text, { text, linePrefix: `\r\n${text}: `, word: 0, bit: 0, inline, hpack: 0 });
}

const unknownName = (text: string): HeaderName => ({
  text,
  linePrefix: `\r\n${text}: `,
  word: 0,
  bit: 0,
  inline: Inline.Nowhere,
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
