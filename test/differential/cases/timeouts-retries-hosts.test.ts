// Which hosts retries go to, when they go, what of a body is kept for them (envoy-behaviour §4.4 to §4.6).
import { differential } from '../differential.ts';
import type { CaseConfig, Json, Row } from '../row.ts';
import {
  INSIDE_CLIENTS,
  OK,
  ENVOYS_REUSE,
  QUICK,
  STATS,
  answer,
  get,
  whateverIsLeft,
} from './timeouts-retries.ts';

const PREDICATE = 'type.googleapis.com/envoy.extensions.retry.host';
const previousHosts: Json = {
  name: 'envoy.retry_host_predicates.previous_hosts',
  typed_config: { '@type': `${PREDICATE}.previous_hosts.v3.PreviousHostsPredicate` },
};
const omitCanaries: Json = {
  name: 'envoy.retry_host_predicates.omit_canary_hosts',
  typed_config: { '@type': `${PREDICATE}.omit_canary_hosts.v3.OmitCanaryHostsPredicate` },
};
const omitLabels = (labels: Json): Json => ({
  name: 'envoy.retry_host_predicates.omit_host_metadata',
  typed_config: {
    '@type': `${PREDICATE}.omit_host_metadata.v3.OmitHostMetadataConfig`,
    metadata_match: { filter_metadata: { 'envoy.lb': labels } },
  },
});
const previousPriorities: Json = {
  name: 'envoy.retry_priorities.previous_priorities',
  typed_config: {
    '@type':
      'type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig',
    update_frequency: 1,
  },
};

const endpoint = (host: string, labels: Json = {}): Json => ({
  endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: `PORT(${host})` } } },
  metadata: { filter_metadata: { 'envoy.lb': labels } },
});

/** The hosts `bad` and `good` in localities of their own. */
const twoHosts = (bad: Json, good: Json, priority = 0): Json => ({
  load_assignment: {
    cluster_name: 'CASE-up',
    endpoints: [
      { lb_endpoints: [endpoint('bad', bad)] },
      { priority, lb_endpoints: [endpoint('good', good)] },
    ],
  },
});

const HOSTS = { bad: answer('503 Bad'), good: OK };

/** Answers every request alike and notes nothing: who is asked how often is chance. */
const unnoted = (text: string): Row['upstream'] => ({
  serve: (socket) => socket.on('data', () => socket.write(text)),
});

/** Whichever host comes first, the answer is the good one's. */
const lucky = (name: string, predicates: readonly Json[], bad: Json = {}): Row => ({
  name,
  config: {
    clusters: { up: twoHosts(bad, {}), bad: {}, good: {} },
    route: {
      retry_policy: {
        retry_on: '5xx',
        num_retries: 1,
        host_selection_retry_max_attempts: 60,
        retry_host_predicate: predicates,
        retry_back_off: QUICK,
      },
    },
  },
  client: [get(), { responses: 1 }, get(), { responses: 2 }, get(), { responses: 3 }],
  upstreams: { bad: unnoted(answer('503 Bad'))!, good: unnoted(OK)! },
  stats: ['http.CASE.downstream_rq_2xx'],
  log: '%RESPONSE_CODE% %RESPONSE_FLAGS%',
  expect: { status: [200, 200, 200] },
});

const limited = (
  name: string,
  headers: readonly Json[],
  lines: readonly string[],
  more: Json = {},
): Row => ({
  name,
  config: {
    route: {
      retry_policy: {
        retry_on: '5xx',
        retry_back_off: QUICK,
        rate_limited_retry_back_off: { reset_headers: headers, ...more },
      },
    },
  },
  client: [get(), { responses: 1 }],
  upstream: { answers: [answer('503 No', ...lines), OK] },
  stats: ['cluster.CASE-up.upstream_rq_retry*'],
});

const post = (body: string): string =>
  `POST /a HTTP/1.1\r\nhost: h\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
const kept = (name: string, more: CaseConfig, answers: Row['upstream']): Row => ({
  name,
  config: { route: { retry_policy: { retry_on: '5xx', retry_back_off: QUICK } }, ...more },
  client: [post('0123456789'), { responses: 1 }],
  upstream: answers!,
  uncut: 'the limit counts pieces',
});
const AGAIN: Row['upstream'] = { answers: [answer('503 No'), OK] };

export const suite = await differential(
  import.meta.url,
  { config: INSIDE_CLIENTS, stats: STATS },
  whateverIsLeft([
    lucky('a retry goes to another host', [previousHosts]),
    lucky('a retry avoids canaries', [omitCanaries], { canary: true }),
    lucky('a retry avoids hosts with labels', [omitLabels({ version: 'v1' })], { version: 'v1' }),
    lucky('a retry avoids hosts with a label in a list', [omitLabels({ version: 'v1' })], {
      version: ['v0', 'v1'],
    }),
    lucky('a retry avoids hosts with all of several labels', [omitLabels({ a: 1, b: true })], {
      a: 1,
      b: true,
      c: 'x',
    }),
    {
      name: 'a retry that can avoid no host takes what there is',
      config: {
        route: {
          retry_policy: {
            retry_on: '5xx',
            retry_host_predicate: [previousHosts],
            retry_back_off: QUICK,
          },
        },
      },
      client: get(),
      upstream: AGAIN,
    },
    {
      name: 'a retry leaves the priority it tried',
      config: {
        clusters: { up: twoHosts({}, {}, 1), bad: {}, good: {} },
        route: {
          retry_policy: {
            retry_on: '5xx',
            retry_priority: previousPriorities,
            retry_back_off: QUICK,
          },
        },
      },
      client: [get(), { responses: 1 }, get(), { responses: 2 }],
      upstreams: HOSTS,
      expect: { status: [200, 200] },
    },
    {
      name: 'retries that tried all priorities start over',
      config: {
        clusters: { up: twoHosts({}, {}, 1), bad: {}, good: {} },
        route: {
          retry_policy: {
            retry_on: '5xx',
            num_retries: 3,
            retry_priority: previousPriorities,
            retry_back_off: QUICK,
          },
        },
      },
      client: get(),
      upstreams: { bad: answer('503 Bad'), good: answer('502 Good') },
    },
    {
      name: 'a retry without a word on priorities stays with the first',
      config: {
        clusters: { up: twoHosts({}, {}, 1), bad: {}, good: {} },
        route: { retry_policy: { retry_on: '5xx', retry_back_off: QUICK } },
      },
      client: get(),
      upstreams: HOSTS,
    },
    {
      name: 'answers of a canary are counted by its metadata',
      config: {
        clusters: { up: twoHosts({}, { canary: true }, 1), bad: {}, good: {} },
        route: {
          retry_policy: {
            retry_on: '5xx',
            retry_priority: previousPriorities,
            retry_back_off: QUICK,
          },
        },
      },
      client: get(),
      upstreams: HOSTS,
      stats: ['cluster.CASE-up.canary*', 'cluster.CASE-up.external*'],
    },
    // When they go
    limited(
      'an answer says in seconds when to come back',
      [{ name: 'retry-after' }],
      ['retry-after: 1'],
    ),
    limited(
      'an answer that asks for too much is not heard',
      [{ name: 'retry-after' }],
      ['retry-after: 2'],
      { max_interval: '1.5s' },
    ),
    limited('an answer that asks for nothing', [{ name: 'retry-after' }], ['retry-after: 0']),
    limited('an answer that says nonsense', [{ name: 'retry-after' }], ['retry-after: soon']),
    limited('an answer without the header', [{ name: 'retry-after' }], []),
    limited(
      'the second header where the first says nonsense',
      [{ name: 'x-a' }, { name: 'x-b' }],
      ['x-a: ?', 'x-b: 1'],
    ),
    limited(
      'the second header where the first asks for too much',
      [{ name: 'x-a' }, { name: 'x-b' }],
      ['x-a: 9', 'x-b: 1'],
      { max_interval: '2s' },
    ),
    limited(
      'an answer that names a time long gone',
      [{ name: 'x-reset', format: 'UNIX_TIMESTAMP' }],
      ['x-reset: 1000000000'],
    ),
    limited(
      'an answer that names a time far away',
      [{ name: 'x-reset', format: 'UNIX_TIMESTAMP' }],
      ['x-reset: 9000000000'],
    ),
    {
      name: 'a reset after a rate-limited answer waits as usual',
      config: {
        ...ENVOYS_REUSE,
        route: {
          retry_policy: {
            retry_on: '5xx',
            num_retries: 2,
            retry_back_off: QUICK,
            rate_limited_retry_back_off: { reset_headers: [{ name: 'retry-after' }] },
          },
        },
      },
      client: [get(), { responses: 1 }],
      upstream: { answers: [answer('503 No', 'retry-after: 1'), [{ close: true }], OK] },
      stats: ['cluster.CASE-up.upstream_rq_retry*'],
    },
    // What is kept
    kept(
      'a body below the limit is sent again',
      { routeMore: { per_request_buffer_limit_bytes: 10 } },
      AGAIN,
    ),
    kept(
      'a body above the limit is not',
      { routeMore: { per_request_buffer_limit_bytes: 9 } },
      AGAIN,
    ),
    kept('a newer limit of the route', { routeMore: { request_body_buffer_limit: 9 } }, AGAIN),
    kept(
      'a newer limit wins',
      { routeMore: { per_request_buffer_limit_bytes: 9, request_body_buffer_limit: 20 } },
      AGAIN,
    ),
    kept(
      'a limit of the virtual host',
      { virtualHost: { per_request_buffer_limit_bytes: 9 } },
      AGAIN,
    ),
    kept(
      'a newer limit of the virtual host',
      { virtualHost: { request_body_buffer_limit: 9 } },
      AGAIN,
    ),
    kept(
      'a limit of the route over that of the virtual host',
      {
        virtualHost: { per_request_buffer_limit_bytes: 9 },
        routeMore: { per_request_buffer_limit_bytes: 20 },
      },
      AGAIN,
    ),
    kept('a limit of nothing', { routeMore: { per_request_buffer_limit_bytes: 0 } }, AGAIN),
    {
      name: 'a body that grows too large between attempts',
      config: {
        route: { retry_policy: { retry_on: '5xx', retry_back_off: { base_interval: '60s' } } },
        routeMore: { per_request_buffer_limit_bytes: 9 },
      },
      client: [
        'POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 20\r\n\r\n01234',
        { upstreamEnds: true },
        '56789',
        { responses: 1 },
      ],
      upstream: [{ at: 'head' }, answer('503 No')],
      uncut: 'the limit counts pieces',
    },
    {
      name: 'a body whose end comes between attempts has a time-out all the same',
      config: {
        route: {
          timeout: '0.2s',
          retry_policy: { retry_on: '5xx', retry_back_off: { base_interval: '60s' } },
        },
      },
      client: [
        'POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\n01234',
        { upstreamEnds: true },
        '56789',
        { pauseMs: 700 },
      ],
      upstream: [{ at: 'head' }, answer('503 No')],
      uncut: 'pauses',
      log: '%RESPONSE_CODE_DETAILS%',
      stats: ['cluster.CASE-up.upstream_rq_timeout'],
      differs: {
        envoy: 'waits for the back-off, however long that is',
        ours: '504 when the time-out is over',
        reason: 'a route with a time-out promises its clients an end',
        where: ['client', 'log'],
      },
    },
    {
      name: 'a body that comes between attempts is sent with the next',
      config: {
        route: {
          retry_policy: {
            retry_on: '5xx',
            retry_back_off: { base_interval: '0.001s', max_interval: '0.001s' },
          },
        },
      },
      client: [
        'POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\n01234',
        { upstreamEnds: true },
        '56789',
        { responses: 1 },
      ],
      upstream: { answers: [[{ at: 'head' }, answer('503 No')], OK] },
      uncut: 'pauses',
    },
    {
      name: 'an upstream that refuses a body that still comes',
      config: { route: { retry_policy: { retry_on: '5xx', retry_back_off: QUICK } } },
      client: ['POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\n01234', { responses: 1 }],
      upstream: { answers: [[{ at: 'head' }, answer('400 No')], OK] },
      uncut: 'never complete',
    },
  ]),
);
