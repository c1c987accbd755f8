// [m] ConfigStore and its readers: every message an operator may get, with its place; last good content; hostile YAML.
import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

import { formatProblem } from '../../../agent/control-plane/config-problem.ts';
import { ConfigStore } from '../../../agent/control-plane/config-store.ts';
import { PushContext } from '../../../agent/control-plane/push-context.ts';
import { realTime } from '../../../proxy/base/clock.ts';
import { configOf } from './recording.ts';
import { productpage, reviews, split, subsets } from './small-mesh.ts';

const problemsOf = (text: string, file = 'a.yaml'): string[] =>
  configOf({ [file]: text }).problems.map(formatProblem);

const virtualService = (http: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - ${http}
`;

const destinationRule = (rest: string): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  ${rest}
`;

const route = 'route: [{destination: {host: reviews}}]';

/** What is written, and what is said of it after `error: a.yaml: document 1, line N: `. */
const MISTAKES: readonly (readonly [string, RegExp])[] = [
  [
    virtualService('timeout: 1s'),
    /line 8: spec\.http\[0\]: must have exactly one of route, redirect, directResponse$/,
  ],
  [
    virtualService(`{${route}, timeout: soon}`),
    /spec\.http\[0\]\.timeout: must be a duration such as 2s or 250ms, not "soon"$/,
  ],
  [
    virtualService(`{${route}, timeuot: 1s}`),
    /spec\.http\[0\]\.timeuot: is not a known field here; known are name, match, /,
  ],
  [
    virtualService(`{${route}, delegate: {name: x}}`),
    /spec\.http\[0\]\.delegate: is not supported by the embedded control plane/,
  ],
  [
    virtualService(`{${route}, match: [{uri: {prefix: /a, exact: /b}}]}`),
    /spec\.http\[0\]\.match\[0\]\.uri: must have only one of exact, prefix$/,
  ],
  [
    virtualService(`{${route}, match: [{uri: {regex: "("}}]}`),
    /spec\.http\[0\]\.match\[0\]\.uri\.regex: is no RE2 expression/,
  ],
  [
    virtualService(`{${route}, match: [{headers: {a: {regex: "a(?=b)"}}}]}`),
    /spec\.http\[0\]\.match\[0\]\.headers\.a\.regex: is no RE2 expression/,
  ],
  [
    virtualService(`{${route}, match: [{headers: {a: exact}}]}`),
    /headers\.a: must be a mapping, not "exact"$/,
  ],
  [
    virtualService(`{${route}, fault: {abort: {httpStatus: 99}}}`),
    /fault\.abort\.httpStatus: must be a whole number from 200 to 599, not 99$/,
  ],
  [
    virtualService(`{${route}, fault: {abort: {grpcStatus: SAD}}}`),
    /fault\.abort\.grpcStatus: must be one of OK, /,
  ],
  [
    virtualService(`{${route}, fault: {delay: {fixedDelay: 1s, percentage: {value: 101}}}}`),
    /percentage\.value: must be a number from 0 to 100, not 101$/,
  ],
  [
    virtualService(`{${route}, fault: {delay: {percent: 1}}}`),
    /fault\.delay\.fixedDelay: is required$/,
  ],
  [
    virtualService('{route: [{destination: {host: a}}, {destination: {host: b}}]}'),
    /spec\.http\[0\]\.route: must have weights whose sum is above 0$/,
  ],
  [
    virtualService('{route: [{destination: {subset: a}}]}'),
    /route\[0\]\.destination\.host: is required$/,
  ],
  [
    virtualService('{redirect: {redirectCode: 200}}'),
    /redirect\.redirectCode: must be one of 301, 302/,
  ],
  [
    virtualService('{directResponse: {status: 200, body: {bytes: "?"}}}'),
    /directResponse\.body\.bytes: must be base64$/,
  ],
  [
    destinationRule('subsets: [{name: a}, {name: a}]'),
    /spec\.subsets\[1\]\.name: names the subset a a second time$/,
  ],
  [
    destinationRule('trafficPolicy: {loadBalancer: {simple: BEST}}'),
    /loadBalancer\.simple: must be one of UNSPECIFIED, LEAST_REQUEST/,
  ],
  [
    destinationRule('trafficPolicy: {tls: {mode: MUTUAL, privateKey: /k.pem}}'),
    /tls\.clientCertificate: is required/,
  ],
  [
    destinationRule('trafficPolicy: {tls: {mode: SIMPLE, credentialName: web}}'),
    /tls\.credentialName: is not supported by the embedded control plane/,
  ],
  [
    'apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {clusterIP: here, ports: []}',
    /line 4: spec\.clusterIP: must be an IP address or None$/,
  ],
  [
    'apiVersion: v1\nkind: Service\nmetadata: {name: Not_A_Name}\nspec: {ports: []}',
    /line 3: metadata\.name: must be lower-case letters, digits, dashes and dots$/,
  ],
  [
    'apiVersion: v1\nkind: Pod\nmetadata: {name: a, annotations: {outrigger/address: nowhere}}',
    /has "nowhere" as an address \(annotation outrigger\/address\); it must be an IP address$/,
  ],
  [
    'apiVersion: v2\nkind: Service\nmetadata: {name: a}',
    /line 1: apiVersion: must be v1 for kind Service, not v2$/,
  ],
  ['kind: Service\nmetadata: {name: a}', /apiVersion: is required$/],
  ['- a list', /must be a mapping with apiVersion, kind and metadata$/],
  [
    'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}',
    /kind: AuthorizationPolicy is not supported by the embedded control plane; use istiod$/,
  ],
  ['a: [1, 2', /^error: a\.yaml: document 1, line 1: is not YAML: /],
  ['a: 1\na: 2', /^error: a\.yaml: document 1, line 2: is not YAML: Map keys must be unique/],
  [`${'['.repeat(100)}${']'.repeat(100)}`, /is nested deeper than 64 levels$/],
  [`a: &a [x]\nb: [${'*a, '.repeat(200)}]`, /is not YAML: Excessive alias count/],
  ['a'.repeat(4 * 1024 * 1024 + 1), /is larger than 4194304 bytes; split it$/],
  [
    `${subsets}---${subsets}`,
    /document 2, line 11: DestinationRule\/default\/reviews stands in document 1 already$/,
  ],
];

t.test('Problems of configuration', async (t) => {
  for (const [text, expected] of MISTAKES) {
    const problems = problemsOf(text);
    t.equal(problems.length, 1, `one problem: ${problems.join(' | ').slice(0, 200)}`);
    t.match(problems[0], expected);
    t.match(problems[0], /^error: a\.yaml/);
  }

  t.test('come all at once', async (t) => {
    const problems = problemsOf(
      virtualService(
        '{route: [{destination: {host: 1}, weight: -1}], timeout: x, match: [{port: 0}]}',
      ),
    );
    t.same(
      problems.map((text) => /: (spec\S*): /.exec(text)?.[1]).sort(),
      [
        'spec.http[0].match[0].port',
        'spec.http[0].route[0].destination.host',
        'spec.http[0].route[0].weight',
        'spec.http[0].timeout',
      ].sort(),
    );
  });

  t.test('tell the document and the line in a file of many', async (t) => {
    const problems = problemsOf(
      `${subsets}---${split(80, 20)}---${virtualService('timeout: 1s').replace('name: reviews', 'name: other')}`,
    );
    t.match(problems, [/^error: a\.yaml: document 3, line 27: spec\.http\[0\]: /]);
  });

  t.test('are warnings where nothing is refused', async (t) => {
    t.match(problemsOf('apiVersion: v1\nkind: Gateway\nmetadata: {name: a}'), [
      /^warning: .*Gateway has no effect/,
    ]);
    t.match(problemsOf('ingressClass: a\ntrustDomain: td', 'mesh.yaml'), [
      /^warning: mesh\.yaml: document 1, line 1: ingressClass: has no effect/,
    ]);
    t.same(problemsOf('apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}'), []);
  });

  t.test('do not let keys of a file reach a prototype', async (t) => {
    const text = `${reviews.replace('{app: reviews}', '{__proto__: reviews, constructor: x, app: reviews}')}`;
    t.same(problemsOf(text), []);
    t.equal(Object.hasOwn(Object.prototype, 'app'), false);
    t.match(problemsOf(virtualService(`{${route}, __proto__: {a: 1}}`)), [
      /__proto__: is not a known field/,
    ]);
  });
});

t.test('Names that stand for nothing', async (t) => {
  const warnings = (text: string): string[] =>
    new PushContext(configOf({ 'a.yaml': text }), 'DISABLE').warnings.map(formatProblem);
  t.match(warnings(split(1, 1)), [
    /^warning: a\.yaml: document 1, line 2: spec\.http\[0\]\.route\[0\]\.destination: no service has the host reviews\.default\.svc\.cluster\.local/,
    /route\[1\]/,
  ]);
  t.match(warnings(`${reviews}---${split(1, 1)}`), [
    /no DestinationRule of reviews\.default\.svc\.cluster\.local has the subset v1/,
    /the subset v2/,
  ]);
  t.same(warnings(`${reviews}---${subsets}---${split(1, 1)}`), []);
});

t.test('ConfigStore', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'config-store-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const write = (file: string, text: string): void => writeFileSync(join(folder, file), text);
  const names = (store: ConfigStore): string[] =>
    store
      .current()
      .items.map(({ meta }) => `${meta.kind} ${meta.name}`)
      .sort();
  const store = new ConfigStore(folder, realTime);

  t.equal(await store.load(), false, 'an empty folder is fine');
  write('apps.yaml', productpage);
  write('notes.txt', 'not: [yaml');
  t.equal(await store.load(), true);
  t.same(names(store), ['Deployment productpage-v1', 'Service productpage']);
  t.equal(await store.load(), false, 'nothing changed');

  write('apps.yaml', `${productpage}---\nkind: [`);
  t.equal(await store.load(), true);
  t.same(
    names(store),
    ['Deployment productpage-v1', 'Service productpage'],
    'a bad file keeps its last good content',
  );
  t.match(store.current().problems.map(formatProblem), [
    /^error: apps\.yaml: document 3, line 19: is not YAML/,
  ]);

  write('new.yaml', 'kind: [');
  await store.load();
  t.equal(names(store).length, 2, 'a file that never was good adds nothing');

  write('apps.yaml', `${productpage}---${subsets}`);
  write('new.yaml', subsets);
  await store.load();
  t.same(
    names(store),
    ['Deployment productpage-v1', 'DestinationRule reviews', 'Service productpage'],
    'of two with one name the first file has it',
  );
  t.match(store.current().problems.map(formatProblem), [
    /^error: new\.yaml: document 1, line 2: DestinationRule\/default\/reviews is ignored: apps\.yaml has it already$/,
  ]);

  unlinkSync(join(folder, 'apps.yaml'));
  await store.load();
  t.same(names(store), ['DestinationRule reviews'], 'a file that goes takes its content along');
  t.same(store.current().problems, []);

  const nowhere = new ConfigStore(join(folder, 'nowhere'), realTime);
  await nowhere.load();
  t.match(nowhere.current().problems.map(formatProblem), [/nowhere: cannot be read/]);
});
