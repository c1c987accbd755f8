// What is refused of the csrf filter's policy.
import t from 'tap';
import { MANAGER_PATH, listener, managerListener, problemsOf, routerFilter } from './decoding.ts';
import type { Json } from './decoding.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.csrf.v3.CsrfPolicy';
const PLACE = `${MANAGER_PATH}.http_filters[0].typed_config`;

const problems = (policy: Json): readonly string[] =>
  problemsOf(() =>
    listener(
      managerListener({
        http_filters: [{ name: 'csrf', typed_config: { '@type': TYPE, ...policy } }, routerFilter],
      }),
    ),
  );

t.test('csrf settings', async (t) => {
  const filter_enabled: Json = { default_value: { numerator: 100 } };
  t.same(problems({ filter_enabled }), []);
  t.same(problems({}), [`${PLACE}.filter_enabled: is required`]);
  t.same(problems({ filter_enabled, additional_origins: [{ safe_regex: { regex: '(' } }] }), [
    `${PLACE}.additional_origins[0].safe_regex.regex: invalid regex '(': error parsing regexp: missing closing ): \`(\``,
  ]);
});
