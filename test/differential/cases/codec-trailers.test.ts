// Trailers of requests and answers, on and off (envoy-behaviour §1.13; attack 20).
import { differential } from '../differential.ts';
import type { CaseConfig, Row } from '../row.ts';
import { answer, chunked, get, request } from '../texts.ts';

const UPSTREAM_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const upstreamHttp1 = (options: object, more: object = {}): CaseConfig => ({
  clusters: {
    up: {
      typed_extension_protocol_options: {
        [UPSTREAM_OPTIONS]: {
          '@type': `type.googleapis.com/${UPSTREAM_OPTIONS}`,
          explicit_http_config: { http_protocol_options: options },
          ...more,
        },
      },
    },
  },
});

const DOWN: CaseConfig = { hcm: { http_protocol_options: { enable_trailers: true } } };
const UP: CaseConfig = upstreamHttp1({ enable_trailers: true });
const BOTH: CaseConfig = { ...DOWN, ...UP };

const WITH_TRAILERS = '5\r\nhello\r\n0\r\nX-Tail: 1\r\nx-other: 2\r\n\r\n';
const chunkedAnswer = (raw: string, ...lines: readonly string[]): string =>
  answer('200 OK', ['transfer-encoding: chunked', ...lines], raw);

const tail = (name: string, line: string, more: Partial<Row> = {}): Row => ({
  name,
  config: BOTH,
  client: chunked(`5\r\nhello\r\n0\r\n${line}\r\n\r\n`),
  ...more,
});

export const suite = await differential(
  import.meta.url,
  { stats: ['http.CASE.downstream_rq_*', 'cluster.CASE-up.upstream_rq_*'] },
  [
    { name: 'trailers of a request are dropped by default', client: chunked(WITH_TRAILERS) },
    { name: 'trailers of a request need both sides', config: DOWN, client: chunked(WITH_TRAILERS) },
    {
      name: 'trailers of a request: the cluster alone',
      config: UP,
      client: chunked(WITH_TRAILERS),
    },
    { name: 'trailers of a request pass', config: BOTH, client: chunked(WITH_TRAILERS) },
    {
      name: 'trailers with their announcement pass',
      config: BOTH,
      client: chunked(WITH_TRAILERS, 'trailer: x-tail', 'te: trailers'),
    },
    {
      name: 'trailers of an answer are dropped by default',
      client: get(),
      upstream: chunkedAnswer(WITH_TRAILERS),
    },
    {
      name: 'trailers of an answer: the listener alone',
      config: DOWN,
      client: get(),
      upstream: chunkedAnswer(WITH_TRAILERS),
    },
    {
      name: 'trailers of an answer: the cluster alone',
      config: UP,
      client: get(),
      upstream: chunkedAnswer(WITH_TRAILERS),
    },
    {
      name: 'trailers of an answer pass',
      config: BOTH,
      client: get(),
      upstream: chunkedAnswer(WITH_TRAILERS, 'trailer: x-tail'),
    },
    {
      name: 'trailers of an answer without body',
      config: BOTH,
      client: get(),
      upstream: chunkedAnswer('0\r\nx-tail: 1\r\n\r\n'),
    },
    {
      name: 'trailers of a request without body',
      config: BOTH,
      client: chunked('0\r\nx-tail: 1\r\n\r\n'),
    },
    {
      name: 'trailers for a client of HTTP/1.0',
      config: {
        hcm: { http_protocol_options: { enable_trailers: true, accept_http_10: true } },
        ...UP,
      },
      client: ['GET / HTTP/1.0\r\nhost: h\r\n\r\n', { closed: true }],
      upstream: chunkedAnswer(WITH_TRAILERS),
    },
    {
      name: 'what follows trailers is the next request',
      config: BOTH,
      client: [`${chunked(WITH_TRAILERS)}${get('/2')}`, { responses: 2 }],
    },
    {
      name: 'what follows dropped trailers is the next request',
      client: [`${chunked(WITH_TRAILERS)}${get('/2')}`, { responses: 2 }],
    },
    tail('a trailer with odd white space', 'x-tail: \t a \t'),
    tail('a folded trailer', 'x-tail: a\r\n b'),
    tail('a trailer twice', 'x-tail: a\r\nx-tail: b'),
    tail('a trailer without colon is refused', 'nonsense', { expect: { status: 400 } }),
    tail('a trailer without name is refused', ': a', { expect: { status: 400 } }),
    tail('a trailer with a blank before the colon is refused', 'x-tail : a', {
      expect: { status: 400 },
    }),
    tail('a trailer with NUL is refused', 'x-tail: a\0', { expect: { status: 400 } }),
    tail('trailers ended by line feeds', 'x-tail: a\nx-b: c\n'),
    tail(
      'too many trailers are refused',
      Array.from({ length: 101 }, (_, i) => `x-${i}: v`).join('\r\n'),
      { uncut: 'the mistake may come before or after the connection to the server' },
    ),
    tail('too long trailers are refused', `x-tail: ${'a'.repeat(61_500)}`, {
      uncut: 'the mistake may come before or after the connection to the server',
    }),
    ...[
      'Content-Length: 3',
      'Transfer-Encoding: chunked',
      'Host: evil',
      'Connection: close',
      'TE: trailers',
      'Upgrade: x',
    ].map((line): Row =>
      tail(`${line} as a trailer`, line, {
        differs: {
          envoy: 'forwards it',
          ours: 'drops it',
          reason:
            'a next hop may merge trailers into the head: framing and routing have no place there (attack 20)',
          where: ['upstream'],
        },
      }),
    ),
    {
      name: 'a malformed dropped trailer is refused all the same',
      client: chunked('5\r\nhello\r\n0\r\nnonsense\r\n\r\n'),
    },
    {
      name: 'too long dropped trailers are refused all the same',
      uncut: 'the mistake may come before or after the connection to the server',
      client: chunked(`5\r\nhello\r\n0\r\nx-tail: ${'a'.repeat(61_500)}\r\n\r\n`),
    },
    {
      name: 'a server whose trailers are malformed',
      config: BOTH,
      client: get(),
      upstream: chunkedAnswer('5\r\nhello\r\n0\r\nnonsense\r\n\r\n'),
    },
    {
      name: 'a server whose trailers frame',
      config: BOTH,
      client: get(),
      upstream: chunkedAnswer('5\r\nhello\r\n0\r\ncontent-length: 3\r\nx-tail: 1\r\n\r\n'),
    },
    {
      name: 'trailers to a HEAD',
      config: BOTH,
      client: request('HEAD / HTTP/1.1'),
      upstream: answer('200 OK', ['transfer-encoding: chunked']),
    },
  ],
);
