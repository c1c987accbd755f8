// What rows about the rate limit service are made of.
import type { IncomingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import { ProtobufWriter } from '../../../proxy/base/protobuf-writer.ts';
import { filterOf } from '../../support/proxy-process.ts';
import { unaryGrpcServer } from '../../support/unary-grpc-server.ts';
import type { UnaryAnswer } from '../../support/unary-grpc-server.ts';
import type { CaseConfig, Json, SuiteOptions, Upstream } from '../row.ts';

const NAME = 'envoy.filters.http.ratelimit';
const PACKAGE = 'filters.http.ratelimit.v3';
export const HTTP2 = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
};
export const GENERIC = { actions: [{ generic_key: { descriptor_value: 'g' } }] };
export const BY_X = { actions: [{ request_headers: { header_name: 'x', descriptor_key: 'x' } }] };

export const serviceAt = (cluster: string, more: Json = {}, envoyGrpc: Json = {}): Json => ({
  rate_limit_service: {
    transport_api_version: 'V3',
    grpc_service: { envoy_grpc: { cluster_name: cluster, ...envoyGrpc }, ...more },
  },
});
export const rateLimit = (settings: Json = {}): Json =>
  filterOf(NAME, `${PACKAGE}.RateLimit`, {
    domain: 'd',
    timeout: '5s',
    ...serviceAt('CASE-rls'),
    ...settings,
  });
/** With one descriptor for each request. */
export const limit = (settings: Json = {}, more: CaseConfig = {}): CaseConfig => ({
  httpFilters: [rateLimit(settings)],
  route: { rate_limits: [GENERIC] },
  clusters: { rls: HTTP2 },
  ...more,
});
export const perRoute = (settings: Json): Json => ({
  typed_per_filter_config: {
    [NAME]: {
      '@type': `type.googleapis.com/envoy.extensions.${PACKAGE}.RateLimitPerRoute`,
      ...settings,
    },
  },
});

/** In order but for the pseudo headers, whose order says nothing. */
function lines(headers: IncomingHttpHeaders): readonly string[] {
  const all = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}`);
  const pseudo = all.filter((line) => line.startsWith(':')).sort();
  return [...pseudo, ...all.filter((line) => !line.startsWith(':'))];
}

/** Notes each question, byte by byte, and answers. */
export function says(answer: UnaryAnswer | 'silence' | 'reset'): {
  readonly upstreams: Readonly<Record<string, Upstream>>;
} {
  const serve = (socket: Socket, note: (line: string) => void): void => {
    const server = unaryGrpcServer(({ headers, message }) => {
      for (const line of lines(headers)) note(line);
      note(JSON.stringify(message.toString('latin1')));
      return answer;
    });
    server.emit('connection', socket);
  };
  return { upstreams: { rls: { serve } } };
}

const OK = 1;
const OVER = 2;
const STATUSES = 2;
const RESPONSE_HEADERS = 3;
const REQUEST_HEADERS = 4;
export const UNIT = { none: 0, second: 1, minute: 2, hour: 3, day: 4, month: 5, year: 6, week: 7 };

export interface LimitText {
  readonly perUnit: number;
  readonly unit: number;
  readonly remaining: number;
  readonly reset?: number;
  readonly name?: string;
}

export interface AnswerText {
  readonly code?: number;
  readonly limits?: readonly LimitText[];
  readonly response?: readonly (readonly [string, string])[];
  readonly request?: readonly (readonly [string, string])[];
  readonly body?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

export function answered({
  code = OK,
  limits = [],
  response = [],
  request = [],
  body = '',
  metadata,
}: AnswerText): UnaryAnswer {
  const writer = new ProtobufWriter();
  writer.number(1, code);
  for (const item of limits) writer.message(STATUSES, (to) => writeLimit(to, item));
  for (const [name, value] of response) writer.entry(RESPONSE_HEADERS, name, value);
  for (const [name, value] of request) writer.entry(REQUEST_HEADERS, name, value);
  writer.text(5, body);
  if (metadata !== undefined) writer.message(6, (to) => writeStruct(to, metadata));
  return { message: writer.finish() };
}

function writeLimit(to: ProtobufWriter, item: LimitText): void {
  to.number(1, OK);
  to.message(2, (limited) => {
    limited.number(1, item.perUnit);
    limited.number(2, item.unit);
    limited.text(3, item.name ?? '');
  });
  to.number(3, item.remaining);
  if (item.reset !== undefined) to.message(4, (duration) => duration.number(1, item.reset!));
}

function writeStruct(to: ProtobufWriter, fields: Readonly<Record<string, string>>): void {
  for (const [key, text] of Object.entries(fields))
    to.message(1, (entry) => {
      entry.text(1, key);
      entry.message(2, (value) => value.text(3, text));
    });
}

export const YES = answered({});
export const NO = answered({ code: OVER });
export const over = (more: AnswerText): UnaryAnswer => answered({ code: OVER, ...more });

export const get = (path = '/', ...lines: readonly string[]): string =>
  `GET ${path} HTTP/1.1\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
export const GRPC =
  'POST /s/m HTTP/1.1\r\nhost: h\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n';

export const RATE_LIMIT_SUITE: SuiteOptions = {
  stats: [
    'cluster.CASE-up.ratelimit.*',
    'cluster.CASE-up.upstream_rq_4xx',
    'cluster.CASE-up.upstream_rq_completed',
    'cluster.CASE-up.internal.*',
    'cluster.CASE-rls.upstream_rq_total',
    'cluster.CASE-rls.upstream_rq_timeout',
  ],
  bootstrap: {
    layered_runtime: {
      layers: [
        {
          name: 'static',
          static_layer: { 'ratelimit.never.http_filter_enabled': 0 },
        },
      ],
    },
  },
};
