// One connection, several messages: pipelines, answers before the request's end, half-closed and vanished peers.
import { differential } from '../differential.ts';
import type { CaseConfig, Row } from '../row.ts';
import { answer, chunked, get, ok, post, request } from '../texts.ts';

const DIRECT: CaseConfig = {
  routes: [
    {
      match: { prefix: '/direct' },
      direct_response: { status: 200, body: { inline_string: 'hi' } },
    },
    { match: { prefix: '/' }, route: { cluster: 'CASE-up' } },
  ],
};
const ENDLESS = request('POST / HTTP/1.1', ['content-length: 100'], 'part');
const ENDLESS_CHUNKS = request('POST / HTTP/1.1', ['transfer-encoding: chunked'], '4\r\npart\r\n');
const numbered = { answers: ['1', '2', '3', '4'].map((body) => ok(body)) };

export const suite = await differential(
  import.meta.url,
  {
    stats: [
      'http.CASE.downstream_rq_*',
      'http.CASE.downstream_cx_*_active_rq',
      'cluster.CASE-up.upstream_rq_*',
      'cluster.CASE-up.upstream_cx_total',
      'cluster.CASE-up.upstream_cx_protocol_error',
    ],
  },
  [
    // pipelines
    {
      name: 'two pipelined requests are answered in order',
      client: [get('/1') + get('/2'), { responses: 2 }],
      upstream: numbered,
    },
    {
      name: 'four pipelined requests are answered in order',
      client: [
        get('/1') + post('hello') + chunked('2\r\nab\r\n0\r\n\r\n') + get('/4'),
        { responses: 4 },
      ],
      upstream: numbered,
    },
    {
      name: 'pipelined requests are sent one at a time',
      client: [get('/1') + get('/2'), { responses: 2 }],
      upstream: { answers: [[{ pauseMs: 80 }, ok('1')], ok('2')] },
    },
    {
      name: 'a pipelined request in pieces',
      client: [
        `${get('/1')}GET /2 HT`,
        { responses: 1 },
        'TP/1.1\r\nhost: h\r\n\r\n',
        { responses: 2 },
      ],
      upstream: numbered,
    },
    {
      name: 'pipelined requests after a request that closes',
      client: [get('/1', 'connection: close') + get('/2'), { closed: true }],
      uncut: 'bytes that come behind the end are answered by a reset',
    },
    {
      name: 'a pipelined request after one of a server that fails',
      client: [get('/1') + get('/2'), { responses: 2 }],
      upstream: { answers: [[{ close: true }], ok('2')] },
    },
    {
      name: 'a pipelined request behind a reply of the proxy itself',
      config: DIRECT,
      client: [get('/direct') + get('/2'), { responses: 2 }],
      expect: { status: [200, 200] },
    },
    {
      name: 'a pipelined request behind a reply of the proxy itself, behind an answer',
      config: DIRECT,
      client: [get('/1') + get('/direct') + get('/3'), { responses: 2 }, { pauseMs: 150 }],
      expect: { status: [200, 200, 200] },
      differs: {
        envoy:
          'closes the connection: two answers wait in its write buffer, which it takes for a flood',
        ours: 'answers all',
        reason:
          'the client did nothing wrong; answers that a client leaves unread are bounded by bytes instead',
        where: ['client', 'upstream', 'log', 'stats'],
      },
    },
    {
      name: 'a pipelined refusal behind an answer',
      client: [`${get('/1')}BREW / HTTP/1.1\r\n\r\n`, { closed: true }],
      expect: { status: [200, 400] },
    },
    {
      name: 'requests one after the other on one connection',
      client: [
        get('/1'),
        { responses: 1 },
        get('/2'),
        { responses: 2 },
        get('/3'),
        { responses: 3 },
      ],
      upstream: numbered,
    },
    {
      name: 'requests on two connections use two upstream connections',
      client: [
        get('/1'),
        { upstreamGets: '/1' },
        { connect: true },
        get('/2'),
        { responses: 1 },
        { on: 0 },
        { responses: 1 },
      ],
      upstream: { answers: [[{ pauseMs: 500 }, ok('1')], ok('2')] },
    },
    // answers before the end of the request
    {
      name: 'an answer while the body still flows ends the connection',
      client: [ENDLESS, { closed: true }],
      upstream: [{ at: 'head' }, answer('413 Too Large', ['content-length: 2'], 'no')],
    },
    {
      name: 'an answer while chunks still flow ends the connection',
      client: [ENDLESS_CHUNKS, { closed: true }],
      upstream: [{ at: 'head' }, answer('413 Too Large', ['content-length: 2'], 'no')],
    },
    {
      name: 'an early answer without body',
      client: [ENDLESS, { closed: true }],
      upstream: [{ at: 'head' }, answer('200 OK', ['content-length: 0'])],
    },
    {
      name: 'an early head, the body after the request',
      client: [ENDLESS, { heads: 1 }, 'x'.repeat(96), { responses: 1 }],
      upstream: [{ at: 'head' }, answer('200 OK', ['content-length: 2']), { until: 'xxx' }, 'ok'],
    },
    {
      name: 'an early chunked answer',
      client: [ENDLESS, { closed: true }],
      upstream: [
        { at: 'head' },
        answer('200 OK', ['transfer-encoding: chunked'], '2\r\nok\r\n0\r\n\r\n'),
      ],
    },
    {
      name: 'an early answer that closes',
      client: [ENDLESS, { closed: true }],
      upstream: [
        { at: 'head' },
        answer('503 Busy', ['connection: close', 'content-length: 2'], 'no'),
        { close: true },
      ],
    },
    {
      name: 'an early answer until the end',
      client: [ENDLESS, { closed: true }],
      upstream: [{ at: 'head' }, answer('200 OK', [], 'hello'), { end: true }],
    },
    {
      name: 'a reply of the proxy while the body still flows',
      config: DIRECT,
      client: [request('POST /direct HTTP/1.1', ['content-length: 100'], 'part'), { closed: true }],
    },
    {
      name: 'a reply of the proxy while chunks still flow',
      config: DIRECT,
      client: [
        request('POST /direct HTTP/1.1', ['transfer-encoding: chunked'], '4\r\npart\r\n'),
        { closed: true },
      ],
    },
    {
      name: 'a dead server while the body still flows',
      client: [ENDLESS, { closed: true }],
      upstream: { refuses: true },
    },
    {
      name: 'a server that closes while the body still flows',
      client: [ENDLESS, { closed: true }],
      upstream: [{ at: 'head' }, { close: true }],
    },
    {
      name: 'no route while the body still flows',
      config: { virtualHosts: [{ name: 'v', domains: ['other'], routes: [] }] },
      client: [ENDLESS, { closed: true }],
    },
    {
      name: 'a body mistake after the answer began',
      client: [
        request('POST / HTTP/1.1', ['transfer-encoding: chunked']),
        { heads: 1 },
        'zz\r\n',
        { closed: true },
      ],
      upstream: [{ at: 'head' }, answer('200 OK', ['content-length: 10'], 'ok')],
    },
    {
      name: 'a reply of the proxy to a whole body',
      config: DIRECT,
      client: [request('POST /direct HTTP/1.1', ['content-length: 4'], 'part'), { closed: true }],
    },
    // half-closed and vanished clients
    {
      name: 'a client that half-closes after its request is gone',
      client: [get(), { upstreamGets: 'GET' }, { end: true }, { closed: true }],
      upstream: [],
    },
    {
      name: 'a client that half-closes an idle connection',
      client: [get(), { responses: 1 }, { end: true }, { closed: true }],
    },
    { name: 'a client that half-closes without a word', client: [{ end: true }, { closed: true }] },
    {
      name: 'a client that half-closes within a head',
      client: ['GET / HTTP/1.1\r\nhost', { end: true }, { closed: true }],
    },
    {
      name: 'a client that half-closes within a body',
      client: [ENDLESS, { upstreamGets: 'part' }, { end: true }, { closed: true }],
      upstream: [],
    },
    {
      name: 'a client that half-closes within chunks',
      client: [ENDLESS_CHUNKS, { upstreamGets: 'part' }, { end: true }, { closed: true }],
      upstream: [],
    },
    {
      name: 'a client that half-closes within an answer',
      client: [get(), { heads: 1 }, { end: true }, { closed: true }],
      upstream: [answer('200 OK', ['content-length: 10'], 'ok')],
    },
    {
      name: 'a client that vanishes within a body',
      client: [ENDLESS, { upstreamGets: 'part' }, { close: true }, { upstreamEnds: true }],
      upstream: [],
    },
    {
      name: 'a client that resets within a body',
      client: [ENDLESS, { upstreamGets: 'part' }, { reset: true }, { upstreamEnds: true }],
      upstream: [],
    },
    {
      name: 'a client that vanishes within an answer',
      client: [get(), { heads: 1 }, { close: true }, { upstreamEnds: true }],
      upstream: [answer('200 OK', ['content-length: 10'], 'ok')],
    },
    { name: 'a client that only connects', client: [{ pauseMs: 50 }] },
    {
      name: 'a client that sends an empty line and nothing more',
      client: ['\r\n', { pauseMs: 50 }, { close: true }],
    },
    {
      name: 'a client that sends part of a start line',
      client: ['GE', { pauseMs: 50 }, { close: true }],
    },
    {
      name: 'a client that sends what begins no method',
      client: ['\x16\x03\x01', { closed: true }],
      expect: { status: 400 },
    },
    ...['g', '1', '!', '{', '\x80', '\n', '\r', ':'].map((first): Row => ({
      name: `a client that begins with ${JSON.stringify(first)} is waited for`,
      client: [first, { pauseMs: 100 }, { close: true }],
    })),
    ...[' ', '\t', '\0', '\x01'].map((first): Row => ({
      name: `a client that begins with ${JSON.stringify(first)} is refused at once`,
      client: [first, { closed: true }],
      expect: { status: 400 },
    })),

    { name: 'a client that speaks first like SSH', client: ['SSH-2.0-OpenSSH', { pauseMs: 100 }] },
  ],
);
