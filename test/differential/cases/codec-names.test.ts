// Which names have one line, joined with commas, and which keep several; in requests, answers and trailers (envoy-behaviour §2.1).
import { differential } from '../differential.ts';
import type { Row } from '../row.ts';
import { answer, get } from '../texts.ts';

/** Those that neither steer the proxy nor frame the message. */
const NAMES = (
  'accept accept-encoding accept-language access-control-allow-credentials access-control-allow-headers ' +
  'access-control-allow-methods access-control-allow-origin access-control-allow-private-network ' +
  'access-control-expose-headers access-control-max-age access-control-request-headers access-control-request-method ' +
  'access-control-request-private-network age authorization cache-control content-encoding content-type ' +
  'content-language cookie date dnt etag expires forwarded grpc-accept-encoding grpc-message grpc-status grpc-timeout ' +
  'if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards origin ' +
  'pragma proxy-authenticate proxy-authorization proxy-status range referer server set-cookie trailer traceparent ' +
  'tracestate user-agent vary via warning www-authenticate x-amzn-trace-id x-b3-traceid x-client-trace-id ' +
  'x-envoy-attempt-count x-envoy-cluster x-envoy-decorator-operation x-envoy-degraded x-envoy-force-trace ' +
  'x-envoy-ip-tags x-envoy-local-overloaded x-envoy-original-dst-host x-envoy-original-path x-envoy-original-url ' +
  'x-envoy-overloaded x-envoy-ratelimited x-envoy-upstream-canary x-envoy-upstream-healthchecked-cluster ' +
  'x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto x-ot-span-context x-request-id'
).split(' ');

/** Ten names a row: one row for each would be a listener for each. */
const tens = Array.from({ length: Math.ceil(NAMES.length / 10) }, (_, i) =>
  NAMES.slice(i * 10, i * 10 + 10),
);

const twice = (names: readonly string[]): string[] =>
  names.flatMap((name) => [`${name}: a`, `${name}: b`, `${name}:`]);

export const suite = await differential(
  import.meta.url,
  {},
  tens.flatMap((names): Row[] => [
    { name: `a request with ${names.join(', ')} thrice`, client: get('/', ...twice(names)) },
    {
      name: `an answer with ${names.join(', ')} thrice`,
      client: get(),
      upstream: answer('200 OK', [...twice(names), 'content-length: 0']),
    },
  ]),
);
