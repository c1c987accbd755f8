// [w] CORS (envoy-behaviour §10.5).
import t from 'tap';
import type { CorsPolicyConfig } from '../../../../proxy/config/http-filter-config.ts';
import { CorsFilterFactory } from '../../../../proxy/filters/http/cors.ts';
import { CompiledRouteTable } from '../../../../proxy/router/route-table.ts';
import { RouterHarness, ScriptedClient } from '../../../support/router-harness.ts';
import {
  linesOf,
  request,
  response,
  routeConfig,
  routeEntry,
  streamInfo,
  virtualHost,
} from '../../../support/route-samples.ts';

const NAME = 'envoy.filters.http.cors';
const exact = (value: string) => ({ kind: 'exact', value, ignoreCase: false }) as const;

function policy(changes: Partial<CorsPolicyConfig> = {}): CorsPolicyConfig {
  return {
    kind: 'cors_policy',
    allowOrigins: [exact('http://good')],
    allowMethods: 'GET,PUT',
    allowHeaders: 'x-a',
    exposeHeaders: 'x-b',
    maxAge: '60',
    allowCredentials: true,
    allowPrivateNetworkAccess: undefined,
    forwardNotMatchingPreflights: true,
    enabled: undefined,
    shadowEnabled: undefined,
    ...changes,
  };
}

type Lines = readonly (readonly [string, string])[];

function send(config: CorsPolicyConfig | undefined, lines: Lines, ofRoute?: CorsPolicyConfig) {
  const harness = new RouterHarness();
  const entry = (settings: CorsPolicyConfig | undefined) =>
    settings === undefined ? [] : [{ name: NAME, disabled: false, settings }];
  const routes = [routeEntry({ perFilter: entry(ofRoute) })];
  const table = new CompiledRouteTable(
    routeConfig([virtualHost({ perFilter: entry(config), routes })]),
  );
  const headers = request(lines);
  const client = new ScriptedClient(headers, table.route(headers, streamInfo()), streamInfo());
  const filter = new CorsFilterFactory(NAME, harness.context).createFilter(client);
  filter?.decodeHeaders(headers, true);
  const answer = client.responseHeaders ?? response(200);
  filter?.encodeHeaders(answer, true);
  const answered = linesOf(answer);
  const stat = (name: string): number => harness.stat(`http.test.cors.${name}`);
  return { client, filter, answered, stat };
}

const preflight = (origin: string, ...more: Lines): Lines => [
  [':method', 'OPTIONS'],
  ['origin', origin],
  ['access-control-request-method', 'PATCH'],
  ...more,
];

t.test('CorsFilter', async (t) => {
  t.test('is not there without an origin or a policy', async (t) => {
    t.equal(send(policy(), []).filter, null);
    t.equal(send(undefined, [['origin', 'http://good']]).filter, null);
    t.equal(
      send(policy({ enabled: { numerator: 0, denominator: 100 } }), [['origin', 'http://good']])
        .filter,
      null,
    );
  });

  t.test('answers preflights', async (t) => {
    const { client, answered, stat } = send(policy(), preflight('http://good'));
    t.same([client.reply?.status, client.reply?.details], [200, 'cors_response']);
    t.same(answered, [
      'access-control-allow-origin: http://good',
      'access-control-allow-credentials: true',
      'access-control-allow-methods: GET,PUT',
      'access-control-allow-headers: x-a',
      'access-control-max-age: 60',
      'access-control-expose-headers: x-b',
    ]);
    t.equal(stat('origin_valid'), 1);
  });

  t.test('echoes what was asked for `*`', async (t) => {
    const star = policy({
      allowMethods: '*',
      allowHeaders: '*',
      exposeHeaders: undefined,
      maxAge: undefined,
      allowCredentials: false,
    });
    const { answered } = send(
      star,
      preflight('http://good', ['access-control-request-headers', 'x-q']),
    );
    t.same(answered, [
      'access-control-allow-origin: http://good',
      'access-control-allow-methods: PATCH',
      'access-control-allow-headers: x-q',
    ]);
    t.equal(
      send(star, preflight('http://good')).answered.at(-1),
      'access-control-allow-headers: ',
      'asked for none',
    );
  });

  t.test('allows private networks where configured', async (t) => {
    const asked: [string, string] = ['access-control-request-private-network', 'true'];
    const allowed = send(
      policy({ allowPrivateNetworkAccess: true }),
      preflight('http://good', asked),
    ).answered;
    t.equal(allowed.at(-2), 'access-control-allow-private-network: true');
    t.notMatch(send(policy(), preflight('http://good', asked)).answered.join(), /private/);
  });

  t.test(
    'forwards the preflight of another origin, or answers it without the origin',
    async (t) => {
      const forwarded = send(policy(), preflight('http://bad'));
      t.equal(forwarded.client.reply, null);
      t.equal(forwarded.stat('origin_invalid'), 1);
      const answered = send(
        policy({ forwardNotMatchingPreflights: false }),
        preflight('http://bad'),
      );
      t.equal(answered.client.reply?.status, 200);
      t.equal(answered.answered[0], 'access-control-allow-credentials: true');
    },
  );

  t.test('marks answers for its origins, and blocks nobody', async (t) => {
    t.same(send(policy(), [['origin', 'http://good']]).answered, [
      'access-control-allow-origin: http://good',
      'access-control-allow-credentials: true',
      'access-control-expose-headers: x-b',
    ]);
    t.same(send(policy(), [['origin', 'http://bad']]).answered, []);
    t.equal(
      send(policy({ allowOrigins: [exact('*')] }), [['origin', 'http://any']]).answered.length,
      3,
    );
    const regex = policy({ allowOrigins: [{ kind: 'regex', pattern: 'http://.*\\.good' }] });
    t.equal(send(regex, [['origin', 'http://a.good']]).answered.length, 3);
    t.equal(send(regex, [['origin', 'http://a.good.evil']]).answered.length, 0);
  });

  t.test('only counts in shadow mode', async (t) => {
    const never = { numerator: 0, denominator: 100 } as const;
    const shadow = policy({ enabled: never, shadowEnabled: { numerator: 100, denominator: 100 } });
    const { client, answered, stat } = send(shadow, preflight('http://good'));
    t.same([client.reply, answered, stat('origin_valid')], [null, [], 1]);
  });

  t.test('asks the virtual host for what the route does not say', async (t) => {
    const silent: CorsPolicyConfig = {
      kind: 'cors_policy',
      allowOrigins: [],
      allowMethods: undefined,
      allowHeaders: undefined,
      exposeHeaders: undefined,
      maxAge: undefined,
      allowCredentials: undefined,
      allowPrivateNetworkAccess: undefined,
      forwardNotMatchingPreflights: undefined,
      enabled: undefined,
      shadowEnabled: undefined,
    };
    const asked = preflight('http://good');
    t.same(send(policy(), asked, silent).answered, send(policy(), asked).answered);
    const some = { ...silent, allowMethods: 'DELETE', allowCredentials: false };
    t.same(send(policy(), asked, some).answered.slice(0, 3), [
      'access-control-allow-origin: http://good',
      'access-control-allow-methods: DELETE',
      'access-control-allow-headers: x-a',
    ]);
    const off = { ...silent, enabled: { numerator: 0, denominator: 100 } as const };
    t.equal(send(policy(), asked, off).filter, null, 'whether it is on is said by the route alone');
  });
});
