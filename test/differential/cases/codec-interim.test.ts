// 1xx and Expect: who sends them, who sees them (envoy-behaviour §1.12; attack 27).
import { differential } from '../differential.ts';
import type { CaseConfig } from '../row.ts';
import { answer, get, ok, post, request } from '../texts.ts';

const PROXIED: CaseConfig = { hcm: { proxy_100_continue: true } };
const expecting = request('POST / HTTP/1.1', ['expect: 100-continue', 'content-length: 5']);
const interim = (status: string, ...lines: readonly string[]): string => answer(status, lines);

export const suite = await differential(
  import.meta.url,
  {
    stats: [
      'http.CASE.downstream_rq_*',
      'cluster.CASE-up.upstream_rq_*',
      'cluster.CASE-up.upstream_cx_protocol_error',
    ],
  },
  [
    {
      name: 'a client that expects 100 gets it at once',
      client: [expecting, { until: '100 Continue' }, 'hello', { responses: 1 }],
    },
    {
      name: 'a client that does not wait for its 100',
      client: [`${expecting}hello`, { responses: 1 }],
    },
    {
      name: 'Expect in another case',
      client: [
        expecting.replace('100-continue', '100-Continue'),
        { until: '100 Continue' },
        'hello',
        { responses: 1 },
      ],
    },
    {
      name: 'Expect of something else',
      client: [post('hello', 'expect: 200-maybe'), { responses: 1 }],
    },
    {
      name: 'Expect of several things',
      client: [post('hello', 'expect: 100-continue, x'), { responses: 1 }],
    },
    { name: 'Expect without a body', client: [get('/', 'expect: 100-continue'), { responses: 1 }] },
    {
      name: 'Expect with a chunked body',
      client: [
        request('POST / HTTP/1.1', ['expect: 100-continue', 'transfer-encoding: chunked']),
        { until: '100 Continue' },
        '5\r\nhello\r\n0\r\n\r\n',
        { responses: 1 },
      ],
    },
    {
      name: 'Expect and a local reply',
      config: { route: { cluster: 'nonesuch' } },
      client: expecting,
    },
    {
      name: 'the server is asked where 100 is proxied',
      config: PROXIED,
      client: [expecting, { until: '100 Continue' }, 'hello', { responses: 1 }],
      upstream: [{ at: 'head' }, interim('100 Continue'), { until: 'hello' }, ok()],
    },
    {
      name: 'the server refuses before the body',
      config: PROXIED,
      client: [expecting, { responses: 1 }],
      upstream: [{ at: 'head' }, answer('417 Expectation Failed', ['content-length: 0'])],
    },
    {
      name: 'the 100 of a server is dropped by default',
      client: [get(), { responses: 1 }],
      upstream: interim('100 Continue') + ok(),
    },
    {
      name: 'the 100 of a server passes where 100 is proxied',
      config: PROXIED,
      client: [get(), { responses: 1 }],
      upstream: interim('100 Continue', 'x-a: 1') + ok(),
    },
    {
      name: 'several 100 of a server',
      config: PROXIED,
      client: [get(), { responses: 1 }],
      upstream: interim('100 Continue') + interim('100 Continue') + ok(),
    },
    {
      name: '102 of a server is dropped by default',
      client: [get(), { responses: 1 }],
      upstream: interim('102 Processing') + ok(),
    },
    {
      name: '102 of a server where 100 is proxied',
      config: PROXIED,
      client: [get(), { responses: 1 }],
      upstream: interim('102 Processing') + ok(),
    },
    {
      name: '103 of a server is dropped by default',
      client: [get(), { responses: 1 }],
      upstream: interim('103 Early Hints', 'link: </a>') + ok(),
    },
    {
      name: '103 of a server where 100 is proxied',
      config: PROXIED,
      client: [get(), { responses: 1 }],
      upstream: interim('103 Early Hints', 'link: </a>') + ok(),
    },
    {
      name: '104 of a server where 100 is proxied',
      config: PROXIED,
      client: [get(), { responses: 1 }],
      upstream: interim('104 Upload Resumption') + ok(),
    },
    {
      name: '199 of a server where 100 is proxied',
      config: PROXIED,
      client: [get(), { responses: 1 }],
      upstream: interim('199 Whatever') + ok(),
    },
    {
      name: '100 and then 103 where 100 is proxied',
      config: PROXIED,
      client: [get(), { responses: 1 }],
      upstream: interim('100 Continue') + interim('103 Early Hints') + ok(),
    },
    {
      name: '103 and then 100 where 100 is proxied',
      config: PROXIED,
      client: [get(), { responses: 1 }],
      upstream: interim('103 Early Hints') + interim('100 Continue') + ok(),
    },
    {
      name: 'an interim answer in parts',
      config: PROXIED,
      client: [get(), { responses: 1 }],
      upstream: [
        'HTTP/1.1 100 Con',
        { pauseMs: 30 },
        'tinue\r\n',
        { pauseMs: 30 },
        '\r\nHTTP/1.1 200 OK\r\ncontent-len',
        { pauseMs: 30 },
        'gth: 2\r\n\r\nok',
      ],
    },
    {
      name: 'a connection with interim answers is used again',
      client: [get(), { responses: 1 }, get(), { responses: 2 }],
      upstream: interim('100 Continue') + ok(),
    },
    {
      name: 'an interim answer and nothing more',
      client: [get(), { responses: 1 }],
      upstream: [interim('100 Continue'), { close: true }],
    },
    {
      name: 'a proxied interim answer and nothing more',
      config: PROXIED,
      client: [get(), { responses: 1 }],
      upstream: [interim('100 Continue'), { close: true }],
    },
    {
      name: 'an interim answer with a length is a mistake',
      client: [get(), { responses: 1 }],
      upstream: interim('100 Continue', 'content-length: 5') + ok(),
    },
    {
      name: 'an interim answer with length 0',
      client: [get(), { responses: 1 }],
      upstream: interim('100 Continue', 'content-length: 0') + ok(),
    },
    {
      name: 'an interim chunked answer is a mistake',
      client: [get(), { responses: 1 }],
      upstream: interim('100 Continue', 'transfer-encoding: chunked') + ok(),
    },
    {
      name: 'a flood of interim answers',
      client: [get(), { responses: 1 }],
      upstream: interim('102 Processing').repeat(17) + ok(),
      expect: { status: 502 },
      differs: {
        envoy: 'throws away any number of them',
        ours: '502 after the sixteenth',
        reason: 'whatever a peer chooses is bounded (attack 27)',
        where: ['client', 'upstream', 'log', 'stats'],
      },
    },
    {
      name: 'sixteen interim answers pass',
      client: [get(), { responses: 1 }],
      upstream: interim('102 Processing').repeat(16) + ok(),
    },
    {
      name: '101 that nobody asked for',
      client: [get(), { heads: 1 }],
      upstream: [
        interim('101 Switching Protocols', 'upgrade: x', 'connection: upgrade'),
        { tunnel: true },
      ],
      differs: {
        envoy: 'passes it on',
        ours: '502',
        reason: 'to a client that asked for nothing it is a desync (attack 27)',
        where: ['client', 'log', 'stats', 'upstream'],
      },
    },
    {
      name: 'Expect is retried with a fresh start',
      config: {
        route: { retry_policy: { retry_on: '5xx', retry_back_off: { base_interval: '0.001s' } } },
      },
      client: [`${expecting}hello`, { responses: 1 }],
      upstream: { answers: [answer('503 No', ['content-length: 0']), ok()] },
    },
    {
      name: 'a proxied interim answer ends retries',
      config: {
        hcm: { proxy_100_continue: true },
        route: { retry_policy: { retry_on: '5xx', retry_back_off: { base_interval: '0.001s' } } },
      },
      client: [get(), { responses: 1 }],
      upstream: {
        answers: [interim('100 Continue') + answer('503 No', ['content-length: 0']), ok()],
      },
    },
  ],
);
