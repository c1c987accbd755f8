// What is refused of the buffer filter's settings.
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

const NAME = 'envoy.filters.http.buffer';
const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.buffer.v3';

const filterProblems = (config: Json): readonly string[] =>
  problemsOf(() =>
    listener(
      managerListener({
        http_filters: [
          { name: NAME, typed_config: { '@type': `${TYPE}.Buffer`, ...config } },
          routerFilter,
        ],
      }),
    ),
  );

const routeProblems = (config: Json): readonly string[] =>
  problemsOf(() =>
    routes({
      name: 'r',
      virtual_hosts: [],
      typed_per_filter_config: { [NAME]: { '@type': `${TYPE}.BufferPerRoute`, ...config } },
    }),
  );

const PLACE = `${MANAGER_PATH}.http_filters[0].typed_config`;

t.test('buffer settings', async (t) => {
  t.same(filterProblems({ max_request_bytes: 1 }), []);
  t.same(filterProblems({}), [`${PLACE}.max_request_bytes: is required`]);
  t.same(filterProblems({ max_request_bytes: 0 }), [
    `${PLACE}.max_request_bytes: must be at least 1, is 0`,
  ]);
  t.same(routeProblems({ disabled: true }), []);
  t.same(routeProblems({}), [`typed_per_filter_config["${NAME}"].buffer: is required`]);
});
