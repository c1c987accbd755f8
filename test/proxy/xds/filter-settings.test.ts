// Settings of single HTTP filters: mistakes, with their paths; and what only compiling finds.
import t from 'tap';
import { Runtime } from '../../../proxy/base/runtime.ts';
import { listenerProblem } from '../../../proxy/listener-manager/trial-compile.ts';
import { listener, managerListener, problemsOf, routerFilter } from './decoding.ts';
import type { Json } from './decoding.ts';

const HTTP = 'type.googleapis.com/envoy.extensions.filters.http';
const FIRST = 'http_filters[0].typed_config';

const withFilter = (type: string, fields: Json): Json =>
  managerListener({
    http_filters: [
      { name: 'f', typed_config: { '@type': `${HTTP}.${type}`, ...fields } },
      routerFilter,
    ],
  });
const header = (key: string, value = 'v'): Json => ({ append: { header: { key, value } } });

const FAULT = 'fault.v3.HTTPFault';
const MUTATION = 'header_mutation.v3.HeaderMutation';

const mistakes: readonly (readonly [what: string, type: string, fields: Json, problem: string])[] =
  [
    [
      'a fault that limits to nothing',
      FAULT,
      { response_rate_limit: { fixed_limit: {} } },
      'response_rate_limit.fixed_limit.limit_kbps: must be at least 1, is 0',
    ],
    [
      'a fault with a limit of no kind',
      FAULT,
      { response_rate_limit: {} },
      'response_rate_limit: one of fixed_limit, header_limit is required',
    ],
    [
      'a mutation that sets the path',
      MUTATION,
      { mutations: { request_mutations: [header(':path')] } },
      'mutations.request_mutations[0].append.header.key: :-prefixed or host headers may not be modified',
    ],
    [
      'a mutation of no kind',
      MUTATION,
      { mutations: { response_mutations: [{}] } },
      'mutations.response_mutations[0]: one of remove, append, remove_on_match is required',
    ],
    [
      'a query parameter without a record',
      MUTATION,
      { mutations: { query_parameter_mutations: [{ append: {} }] } },
      'mutations.query_parameter_mutations[0].append.record: is required',
    ],
  ];

t.test('settings of HTTP filters', async (t) => {
  for (const [what, type, fields, problem] of mistakes) {
    t.test(`refuse ${what}`, async (t) => {
      const problems = problemsOf(() => listener(withFilter(type, fields)));
      t.ok(
        problems.some((text) => text.endsWith(`${FIRST}.${problem}`)),
        JSON.stringify(problems),
      );
    });
  }

  t.test('are compiled before workers see them', async (t) => {
    const compiled = (fields: Json): string | undefined =>
      listenerProblem(listener(withFilter(MUTATION, fields)), Runtime.EMPTY);
    t.equal(compiled({ mutations: { request_mutations: [header('a', '%REQ(b)%')] } }), undefined);
    t.match(compiled({ mutations: { request_mutations: [header('a', '%NOPE%')] } }), /NOPE/);
  });
});
