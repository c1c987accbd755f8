// What is refused of header_to_metadata's settings, in Envoy's words.
import t from 'tap';
import {
  MANAGER_PATH,
  listener,
  managerListener,
  problemsOf,
  routerFilter,
  routes,
} from './decoding.ts';
import type { Json } from './decoding.ts';

const NAME = 'envoy.filters.http.header_to_metadata';
const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config';
const PLACE = `${MANAGER_PATH}.http_filters[0].typed_config.request_rules[0]`;
const present: Json = { on_header_present: { key: 'k' } };

const mistakes: readonly (readonly [rule: Json, problems: readonly string[]])[] = [
  [
    { header: 'a', cookie: 'b', ...present },
    [`${PLACE}: Cannot specify both header and cookie in the same rule`],
  ],
  [present, [`${PLACE}: One of Cookie or Header option needs to be specified`]],
  [
    { header: 'a' },
    [
      `${PLACE}: header to metadata filter: rule for header 'a' has neither \`on_header_present\` nor \`on_header_missing\` set`,
    ],
  ],
  [
    { cookie: 'a', ...present, remove: true },
    [`${PLACE}.remove: Cannot specify remove for cookie`],
  ],
  [
    { header: 'a', on_header_missing: { key: 'k' } },
    [`${PLACE}.on_header_missing.value: Cannot specify on_header_missing rule with an empty value`],
  ],
  [
    {
      header: 'a',
      on_header_present: { key: 'k', value: 'v', regex_value_rewrite: { pattern: { regex: 'a' } } },
    },
    [`${PLACE}.on_header_present: Cannot specify both value and regex_value_rewrite`],
  ],
  [{ header: 'a', on_header_present: {} }, [`${PLACE}.on_header_present.key: is required`]],
  [{ header: 'a\nb', ...present }, [`${PLACE}.header: holds characters no header name can have`]],
];

t.test('header_to_metadata settings', async (t) => {
  for (const [rule, problems] of mistakes) {
    const typed_config = { '@type': TYPE, request_rules: [rule] };
    const http_filters = [{ name: NAME, typed_config }, routerFilter];
    t.same(
      problemsOf(() => listener(managerListener({ http_filters }))),
      problems,
      JSON.stringify(rule),
    );
  }
  const perRoute = {
    name: 'r',
    virtual_hosts: [],
    typed_per_filter_config: { [NAME]: { '@type': TYPE } },
  };
  t.same(
    problemsOf(() => routes(perRoute)),
    [
      `typed_per_filter_config["${NAME}"]: header_to_metadata_filter: Per filter configs must at least specify either request or response rules`,
    ],
  );
});
