// Requests that meet a connection which the server closes just then (docs/stale-connections.md): where Envoy answers 503, we send again
// what cannot be done twice thereby. Switched off, it is as in Envoy.
import { differential } from '../differential.ts';
import type { CaseConfig, ClientStep, Row } from '../row.ts';
import { get, ok, post } from '../texts.ts';

const OFF: CaseConfig = {
  routeMore: { metadata: { filter_metadata: { outrigger: { replay_stale: false } } } },
};
const GUARDED: CaseConfig = {
  routeMore: { metadata: { filter_metadata: { outrigger: { guard_replays: true } } } },
};

const SENT_AGAIN: Row['differs'] & object = {
  envoy: '503 UC',
  ours: 'the request is sent once more on a new connection',
  reason: 'the server had not seen it, or it may be done twice (docs/stale-connections.md)',
  where: ['client', 'upstream', 'log', 'stats'],
};

/** The second request of a connection is not answered, the first of every connection is. */
const dying = (
  ...end: readonly ({ readonly close: true } | { readonly reset: true } | string)[]
): Row['upstream'] => ({
  answers: [ok('1'), [...end], ok('3')],
});

const second = (request: string): readonly ClientStep[] => [
  get('/1'),
  { responses: 1 },
  request,
  { responses: 2 },
];

const row = (
  name: string,
  request: string,
  upstream: Row['upstream'],
  more: Partial<Row> = {},
): Row => ({
  name,
  client: second(request),
  ...(upstream === undefined ? {} : { upstream }),
  uncut: 'what has come of a request counts',
  ...more,
});

export const suite = await differential(
  import.meta.url,
  {
    stats: [
      'cluster.CASE-up.upstream_rq_*',
      'cluster.CASE-up.upstream_cx_*',
      'http.CASE.downstream_rq_*',
    ],
    wholeAnswers: 'what has come of an answer counts',
  },
  [
    row('a GET that meets a FIN', get('/2'), dying({ close: true }), {
      differs: SENT_AGAIN,
      expect: { status: [200, 200] },
    }),
    row('a GET that meets a reset', get('/2'), dying({ reset: true }), {
      differs: SENT_AGAIN,
      expect: { status: [200, 200] },
    }),
    row('a PUT with its body', post('body').replace('POST', 'PUT'), dying({ close: true }), {
      differs: SENT_AGAIN,
      expect: { status: [200, 200], upstream: /PUT[^]*body[^]*PUT[^]*body/ },
    }),
    row('a GET under the replay guard', get('/2'), dying({ close: true }), {
      config: GUARDED,
      differs: SENT_AGAIN,
    }),
    row('a GET where it is switched off', get('/2'), dying({ close: true }), { config: OFF }),
    row('a GET that meets a reset where it is switched off', get('/2'), dying({ reset: true }), {
      config: OFF,
    }),
    row('a POST that the server has whole', post('body'), dying({ close: true })),
    row('a GET whose answer had begun', get('/2'), dying('HTTP/1.1 2', { close: true })),
    row(
      'the first request of a connection',
      get('/2'),
      { answers: [[{ close: true }]] },
      { client: [get('/1'), { responses: 1 }] },
    ),
    row(
      'a GET that is never answered',
      get('/2'),
      { answers: [ok('1'), [{ close: true }], [{ close: true }], ok('4')] },
      {
        differs: {
          ...SENT_AGAIN,
          where: ['upstream', 'stats'],
          ours: 'it is sent once more, and then 503 UC',
        },
        expect: { status: [200, 503] },
      },
    ),
    row('a GET that a policy retries', get('/2'), dying({ close: true }), {
      config: {
        route: {
          retry_policy: {
            retry_on: 'reset',
            retry_back_off: { base_interval: '0.001s', max_interval: '0.002s' },
          },
        },
      },
      differs: {
        ...SENT_AGAIN,
        envoy: 'it is retried',
        ours: 'it is sent again, which is no retry',
        where: ['log', 'stats'],
      },
      mask: [[/(x-envoy-expected-rq-timeout-ms: )\d+/g, '$1LEFT']],
    }),
  ],
);
