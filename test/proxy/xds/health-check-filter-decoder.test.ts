// What is refused of the health_check filter's settings, in Envoy's words.
import t from 'tap';
import { MANAGER_PATH, listener, managerListener, problemsOf, routerFilter } from './decoding.ts';
import type { Json } from './decoding.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck';
const PLACE = `${MANAGER_PATH}.http_filters[0].typed_config`;

const rows: readonly (readonly [config: Json, problems: readonly string[]])[] = [
  [{ pass_through_mode: false }, []],
  [{ pass_through_mode: false, cache_time: '0s' }, []],
  [{}, [`${PLACE}.pass_through_mode: is required`]],
  [
    { pass_through_mode: false, cache_time: '1s' },
    [`${PLACE}.cache_time: cache_time_ms must not be set when path_through_mode is disabled`],
  ],
  [
    { pass_through_mode: false, cluster_min_healthy_percentages: { a: { value: 101 } } },
    [`${PLACE}.cluster_min_healthy_percentages["a"].value: must be between 0 and 100, is 101`],
  ],
];

t.test('health_check settings', async (t) => {
  for (const [config, problems] of rows) {
    const http_filters = [{ name: 'hc', typed_config: { '@type': TYPE, ...config } }, routerFilter];
    t.same(
      problemsOf(() => listener(managerListener({ http_filters }))),
      problems,
      JSON.stringify(config),
    );
  }
});
