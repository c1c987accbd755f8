// Start lines of requests: methods, targets, versions (RFC 9112 §3; envoy-behaviour §2.1).
import { differential } from '../differential.ts';

const start = (line: string): string => `${line}\r\nHost: h\r\n\r\n`;

export const suite = await differential(
  import.meta.url,
  { stats: ['http.CASE.downstream_rq_total'] },
  [
    {
      name: 'a plain GET is proxied and the connection stays',
      client: start('GET / HTTP/1.1'),
      expect: { status: 200, client: /ok<open>$/ },
    },
    {
      name: 'an unknown method is refused',
      client: start('BREW / HTTP/1.1'),
      expect: { status: 400 },
    },
    {
      name: 'HTTP/1.0 is refused by default',
      client: start('GET / HTTP/1.0'),
      expect: { status: 426 },
    },
    {
      name: 'two',
      client: [
        start('GET / HTTP/1.1'),
        { responses: 1 },
        start('GET / HTTP/1.1'),
        { responses: 2 },
        { connect: true },
        start('GET / HTTP/1.1'),
        { responses: 1 },
      ],
      expect: { status: [200, 200, 200] },
    },
    {
      name: 'chunks',
      client:
        'POST / HTTP/1.1\r\nHost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
      upstream: [
        { at: 'head' },
        'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n',
        { pauseMs: 20 },
        '2\r\nde\r\n0\r\n\r\n',
      ],
    },
    { name: 'upstream resets', client: start('GET / HTTP/1.1'), upstream: [{ reset: true }] },
    { name: 'upstream closes', client: start('GET / HTTP/1.1'), upstream: [{ close: true }] },
    {
      name: 'upstream silent',
      client: start('GET / HTTP/1.1'),
      upstream: [],
      config: { route: { timeout: '0.2s' } },
    },
    { name: 'upstream refuses', client: start('GET / HTTP/1.1'), upstream: { refuses: true } },
    {
      name: 'client leaves',
      client: [
        start('GET / HTTP/1.1'),
        { upstreamGets: 'GET' },
        { close: true },
        { upstreamEnds: true },
      ],
      upstream: [],
    },
    {
      name: 'client resets',
      client: [
        start('GET / HTTP/1.1'),
        { upstreamGets: 'GET' },
        { reset: true },
        { upstreamEnds: true },
      ],
      upstream: [],
    },
    {
      name: 'client half closes',
      client: [start('GET / HTTP/1.1'), { upstreamGets: 'GET' }, { end: true }],
      upstream: [],
    },
    {
      name: 'a 503 is tried again at the next host',
      config: { route: { retry_policy: { retry_on: '5xx', num_retries: 1 } } },
      client: ['GET / HTTP/1.1\r\nhost: h\r\n\r\n', { responses: 1 }],
      upstream: {
        answers: [
          'HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n',
          'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
        ],
      },
      stats: ['cluster.CASE-up.upstream_rq_retry*'],
      expect: { status: 200 },
    },
  ],
);
