// What is refused of set_filter_state's and set_metadata's settings, and what is told as not done.
import t from 'tap';
import { Runtime } from '../../../proxy/base/runtime.ts';
import { listenerProblem } from '../../../proxy/listener-manager/trial-compile.ts';
import { inertParts } from '../../../proxy/xds/inert-parts.ts';
import { MANAGER_PATH, listener, managerListener, problemsOf, routerFilter } from './decoding.ts';
import type { Json } from './decoding.ts';

const HTTP = 'type.googleapis.com/envoy.extensions.filters.http';
const PLACE = `${MANAGER_PATH}.http_filters[0].typed_config`;

const withFilter = (type: string, config: Json): Json =>
  managerListener({
    http_filters: [
      { name: 'f', typed_config: { '@type': `${HTTP}.${type}.v3.Config`, ...config } },
      routerFilter,
    ],
  });
const state = (entry: Json): Json =>
  withFilter('set_filter_state', { on_request_headers: [entry] });
const format = (text: string): Json => ({
  format_string: { text_format_source: { inline_string: text } },
});

const mistakes: readonly (readonly [what: string, json: Json, problem: string])[] = [
  [
    'no factory',
    state({ object_key: 'foo', ...format('x') }),
    `${PLACE}.on_request_headers[0].object_key: 'foo' does not have an object factory`,
  ],
  [
    'an unknown factory',
    state({ object_key: 'foo', factory_key: 'bar', ...format('x') }),
    `${PLACE}.on_request_headers[0].factory_key: 'foo' does not have an object factory`,
  ],
  [
    'an object that is not built',
    state({ object_key: 'envoy.network.network_namespace', ...format('x') }),
    `${PLACE}.on_request_headers[0].object_key: objects of envoy.network.network_namespace are not supported by this version`,
  ],
  ['no key', state(format('x')), `${PLACE}.on_request_headers[0].object_key: is required`],
  [
    'no format',
    state({ object_key: 'envoy.string' }),
    `${PLACE}.on_request_headers[0].format_string: is required`,
  ],
  [
    'metadata without namespace',
    withFilter('set_metadata', { metadata: [{ value: { a: 1 } }] }),
    `${PLACE}.metadata[0].metadata_namespace: is required`,
  ],
  [
    'typed metadata',
    withFilter('set_metadata', {
      metadata: [
        {
          metadata_namespace: 'n',
          typed_value: { '@type': 'type.googleapis.com/google.protobuf.StringValue', value: 'x' },
        },
      ],
    }),
    `${PLACE}.metadata[0].typed_value: is not supported by this version`,
  ],
];

t.test('settings of set_filter_state and set_metadata', async (t) => {
  for (const [what, json, problem] of mistakes)
    t.same(
      problemsOf(() => listener(json)),
      [problem],
      what,
    );
  const unknown = listener(state({ object_key: 'envoy.string', ...format('%FOO%') }));
  t.match(listenerProblem(unknown, Runtime.EMPTY), 'Not supported field in StreamInfo: FOO');
  const shared = listener(
    state({ object_key: 'envoy.string', shared_with_upstream: 'ONCE', ...format('x') }),
  );
  t.same(inertParts({ listener: shared }), [
    'shared_with_upstream of http filter f: does nothing in this version',
  ]);
});
