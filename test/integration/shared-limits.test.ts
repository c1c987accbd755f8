// Local rate limits hold for the whole proxy, whichever worker takes a connection.
import t from 'tap';
import { bootstrapOf, filterOf, httpListener, ProxyProcess } from '../support/proxy-process.ts';
import { ask } from '../support/test-http.ts';

const ON = { default_value: { numerator: 100 } };
const limit = (settings: object) =>
  filterOf('envoy.filters.http.local_ratelimit', 'filters.http.local_ratelimit.v3.LocalRateLimit', {
    stat_prefix: 'l',
    filter_enabled: ON,
    filter_enforced: ON,
    ...settings,
  });
const bucket = (max_tokens: number) => ({ max_tokens, fill_interval: '3600s' });
const fault = (settings: Readonly<Record<string, unknown>>) =>
  filterOf('envoy.filters.http.fault', 'filters.http.fault.v3.HTTPFault', settings);
const routes = [{ match: { prefix: '/' }, direct_response: { status: 200 } }];

t.test('local rate limits of two workers', async (t) => {
  const descriptor = { entries: [{ key: 'path' }], token_bucket: bucket(7) };
  const rateLimit = {
    actions: [{ request_headers: { header_name: ':path', descriptor_key: 'path' } }],
  };
  const proxy = await ProxyProcess.start(
    t,
    bootstrapOf(
      [
        httpListener('plain', routes, { httpFilters: [limit({ token_bucket: bucket(30) })] }),
        httpListener('faults', routes, {
          httpFilters: [
            fault({
              delay: { fixed_delay: '4s', percentage: { numerator: 100 } },
              max_active_faults: 5,
            }),
          ],
        }),
        httpListener('values', routes, {
          httpFilters: [limit({ descriptors: [descriptor], rate_limits: [rateLimit] })],
        }),
      ],
      [],
    ),
    undefined,
    2,
  );

  /** How many of so many requests, each on a connection of its own, were answered 200. */
  const passed = async (listener: string, path: string, count: number): Promise<number> => {
    const all = Array.from({ length: count }, () => ask(proxy.port(listener), 'GET', path));
    const statuses = (await Promise.all(all)).map(({ status }) => status);
    t.ok(
      statuses.every((status) => status === 200 || status === 429),
      'nothing but 200 and 429',
    );
    return statuses.filter((status) => status === 200).length;
  };

  t.test('share a bucket', async (t) => {
    t.equal(await passed('plain', '/', 90), 30);
    t.equal(await proxy.stat('l.http_local_rate_limit.enforced'), 60);
  });

  t.test('share the number of active faults', async (t) => {
    t.equal(await passed('faults', '/', 20), 20);
    t.equal(await proxy.stat('http.faults.fault.delays_injected'), 5);
    t.equal(await proxy.stat('http.faults.fault.faults_overflow'), 15);
    t.equal(await proxy.stat('http.faults.fault.active_faults'), 0);
  });

  t.test('share a bucket for each value of a wildcard', async (t) => {
    t.equal(await passed('values', '/a', 30), 7);
    t.equal(await passed('values', '/b', 30), 7);
    t.equal(await passed('values', '/a', 10), 0);
  });
});
