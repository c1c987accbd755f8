// [m] RouteRule of config.istio.io/v1alpha2: what its fields become in a route configuration, and in which order.
import t from 'tap';

import { readProxyNode } from '../../../agent/control-plane/proxy-node.ts';
import { PushContext } from '../../../agent/control-plane/push-context.ts';
import {
  generateAll,
  generateNamed,
  packResource,
} from '../../../agent/control-plane/resource-generator.ts';
import { formatProblem } from '../../../agent/control-plane/config-problem.ts';
import { decode } from '../../../xds-protos/codec.ts';
import { toJson } from '../../../xds-protos/proto-json.ts';
import { NODE } from './ads-client.ts';
import { configOf } from './recording.ts';
import { productpage, ratings, reviews, reviewsV2, split, subsets } from './small-mesh.ts';

const apps = [productpage, reviews, reviewsV2, ratings].join('---');

const rule = (name: string, spec: string): string => `
apiVersion: config.istio.io/v1alpha2
kind: RouteRule
metadata: {name: ${name}}
spec: ${spec}
`;

interface RouteJson {
  readonly name?: string;
  readonly match: Readonly<Record<string, unknown>>;
  readonly route?: Readonly<Record<string, unknown>>;
  readonly redirect?: unknown;
  readonly typed_per_filter_config?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly request_headers_to_add?: unknown;
  readonly decorator?: unknown;
  readonly metadata?: unknown;
}

/** The routes of one host, as they go over the wire. */
function routesOf(yaml: readonly string[], host = 'reviews'): RouteJson[] {
  const config = configOf({ 'a.yaml': [apps, ...yaml].join('---') });
  t.same(config.problems.map(formatProblem), []);
  const push = new PushContext(config, 'DISABLE');
  const view = push.viewOf(readProxyNode(NODE.id, NODE.metadata));
  const { value } = packResource('route', generateNamed('route', '9080', push, view));
  const type = 'envoy.config.route.v3.RouteConfiguration';
  const json = toJson(type, decode(type, value)) as unknown as {
    virtual_hosts: { name: string; routes: RouteJson[] }[];
  };
  return json.virtual_hosts.find(({ name }) => name.startsWith(`${host}.`))!.routes;
}

const FAULT = 'envoy.filters.http.fault';
const CORS = 'envoy.filters.http.cors';
const cluster = (subset: string, host = 'reviews'): string =>
  `outbound|9080|${subset}|${host}.default.svc.cluster.local`;

t.test('RouteRule', async (t) => {
  t.test('is tried in the order of precedence, the service itself last', async (t) => {
    const routes = routesOf([
      subsets,
      rule(
        'low',
        '{destination: {name: reviews}, precedence: 1, match: {request: {headers: {a: {exact: x}}}}, route: [{labels: {version: v1}}]}',
      ),
      rule(
        'high',
        '{destination: {name: reviews}, precedence: 2, match: {request: {headers: {end-user: {exact: jason}}}}, route: [{labels: {version: v2}}]}',
      ),
    ]);
    t.same(
      routes.map(({ name }) => name),
      ['high', 'low', 'default'],
    );
    t.same(
      routes.map(({ route }) => route?.['cluster']),
      [cluster('v2'), cluster('v1'), cluster('')],
    );
    t.match(routes[0]?.match, {
      prefix: '/',
      headers: [{ name: 'end-user', string_match: { exact: 'jason' } }],
    });
    t.same(routes[0]?.metadata, {
      filter_metadata: {
        istio: { config: '/apis/config.istio.io/v1alpha2/namespaces/default/route-rule/high' },
      },
    });
    t.equal(routes[2]?.metadata, undefined);
  });

  t.test('without a match hides what has a lower precedence', async (t) => {
    const routes = routesOf([
      subsets,
      rule(
        'all',
        '{destination: {name: reviews}, precedence: 1, route: [{labels: {version: v1}, weight: 80}, {labels: {version: v2}, weight: 20}]}',
      ),
      rule('never', '{destination: {name: reviews}, route: [{labels: {version: v2}}]}'),
    ]);
    t.equal(routes.length, 1);
    t.same(routes[0]?.route?.['weighted_clusters'], {
      clusters: [
        { name: cluster('v1'), weight: 80 },
        { name: cluster('v2'), weight: 20 },
      ],
    });
  });

  t.test('makes a subset of labels that no DestinationRule names', async (t) => {
    const yaml = [rule('v2', '{destination: {name: reviews}, route: [{labels: {version: v2}}]}')];
    t.equal(routesOf(yaml)[0]?.route?.['cluster'], cluster('version=v2'));
    const push = new PushContext(configOf({ 'a.yaml': [apps, ...yaml].join('---') }), 'DISABLE');
    const view = push.viewOf(readProxyNode(NODE.id, NODE.metadata));
    t.ok(generateAll('cluster', push, view).some(({ name }) => name === cluster('version=v2')));
    const { text } = generateNamed('endpoint', cluster('version=v2'), push, view);
    t.match(text, /10\.0\.0\.4/);
    t.notMatch(text, /10\.0\.0\.2/);
    t.same(push.warnings, []);
  });

  const FIELDS: readonly (readonly [string, string, object])[] = [
    [
      'a delay',
      'httpFault: {delay: {percent: 50, fixedDelay: 2s}}',
      {
        typed_per_filter_config: {
          [FAULT]: {
            delay: { fixed_delay: '2s', percentage: { numerator: 500000, denominator: 'MILLION' } },
          },
        },
      },
    ],
    [
      'an abort',
      'httpFault: {abort: {percent: 100, httpStatus: 400}}',
      {
        typed_per_filter_config: {
          [FAULT]: {
            abort: { http_status: 400, percentage: { numerator: 1000000, denominator: 'MILLION' } },
          },
        },
      },
    ],
    [
      'a timeout',
      'httpReqTimeout: {simpleTimeout: {timeout: 1s}}',
      { route: { timeout: '1s', max_grpc_timeout: '1s' } },
    ],
    ['no timeout', 'precedence: 1', { route: { timeout: '0s' } }],
    [
      'retries',
      'httpReqRetries: {simpleRetry: {attempts: 3, perTryTimeout: 2s}}',
      { route: { retry_policy: { num_retries: 3, per_try_timeout: '2s' } } },
    ],
    [
      'a rewrite',
      'match: {request: {headers: {uri: {prefix: /a}}}}, rewrite: {uri: /b, authority: c}',
      { match: { prefix: '/a' }, route: { prefix_rewrite: '/b', host_rewrite_literal: 'c' } },
    ],
    [
      'headers',
      'appendHeaders: {x-a: b}',
      { request_headers_to_add: [{ header: { key: 'x-a', value: 'b' } }] },
    ],
    [
      'CORS',
      'corsPolicy: {allowOrigin: [https://a], allowMethods: [GET], maxAge: 1h}',
      {
        typed_per_filter_config: {
          [CORS]: {
            allow_origin_string_match: [{ exact: 'https://a' }],
            allow_methods: 'GET',
            max_age: '3600',
          },
        },
      },
    ],
    [
      'a regular expression',
      'match: {request: {headers: {cookie: {regex: "^(.*?;)?(user=jason)(;.*)?$"}}}}',
      {
        match: {
          headers: [
            {
              name: 'cookie',
              string_match: { safe_regex: { regex: '^(.*?;)?(user=jason)(;.*)?$' } },
            },
          ],
        },
      },
    ],
    [
      'an exact path',
      'match: {request: {headers: {uri: {exact: /a}, method: {exact: GET}}}}',
      { match: { path: '/a', headers: [{ name: ':method' }] } },
    ],
    [
      'the first spelling of headers',
      'match: {httpHeaders: {a: {prefix: x}}}',
      { match: { headers: [{ name: 'a', string_match: { prefix: 'x' } }] } },
    ],
    ['the first spelling of the path', 'match: {uri: {prefix: /x}}', { match: { prefix: '/x' } }],
    ['its own source', 'match: {source: {name: productpage}}', { match: { prefix: '/' } }],
  ];
  for (const [what, fields, expected] of FIELDS) {
    t.test(`takes ${what}`, async (t) => {
      t.match(routesOf([rule('r', `{destination: {name: ratings}, ${fields}}`)], 'ratings')[0], {
        name: 'r',
        ...expected,
      });
    });
  }

  t.test('redirects', async (t) => {
    const [route] = routesOf(
      [rule('r', '{destination: {name: ratings}, redirect: {uri: /v1, authority: other}}')],
      'ratings',
    );
    t.same(route?.redirect, { host_redirect: 'other', path_redirect: '/v1' });
  });

  t.test('is not sent to other sources', async (t) => {
    const routes = routesOf(
      [
        rule(
          'r',
          '{destination: {name: ratings}, match: {source: {name: reviews}}, httpFault: {abort: {httpStatus: 500}}}',
        ),
      ],
      'ratings',
    );
    t.same(
      routes.map(({ name }) => name),
      ['default'],
    );
  });

  t.test('knows destinations by text, service and domain', async (t) => {
    for (const destination of [
      'ratings.default.svc.cluster.local',
      'ratings',
      '{service: ratings.default.svc.cluster.local}',
      '{name: ratings, namespace: default, domain: svc.cluster.local}',
    ]) {
      t.equal(
        routesOf([rule('r', `{destination: ${destination}}`)], 'ratings')[0]?.name,
        'r',
        destination,
      );
    }
  });

  t.test('is refused with the place of its mistake', async (t) => {
    const problems = (spec: string): string[] =>
      configOf({ 'a.yaml': rule('r', spec) }).problems.map(formatProblem);
    t.match(problems('{destination: {name: a}, route: [{labels: {v: a}, weight: 50}]}'), [
      /spec\.route: must have weights whose sum is 100, not 50$/,
    ]);
    t.match(problems('{route: []}'), [
      /spec\.destination: is required$/,
      /spec\.destination\.name: is required$/,
    ]);
    t.match(problems('{destination: {name: a}, httpReqRetries: {simpleRetry: {}}}'), [
      /simpleRetry\.attempts: is required$/,
    ]);
    t.match(problems('{destination: {name: a}, mirror: {name: b}}'), [
      /spec\.mirror: is not supported/,
    ]);
    t.match(problems('{destination: {name: a}, presedence: 1}'), [
      /spec\.presedence: is not a known field here/,
    ]);
  });

  t.test('gives way to a VirtualService of its host, and says so', async (t) => {
    const config = configOf({
      'a.yaml': [apps, subsets, split(1, 1), rule('r', '{destination: {name: reviews}}')].join(
        '---',
      ),
    });
    t.match(new PushContext(config, 'DISABLE').warnings.map(formatProblem), [
      /RouteRule r has no effect: a VirtualService has reviews\.default/,
    ]);
  });
});
