// [m] The proof: for the YAML that istiod was given, our clusters, endpoints, listeners, routes and name tables are istiod's, field by field.
import t from 'tap';

import { PushContext } from '../../../agent/control-plane/push-context.ts';
import type { JsonValue } from '../../../xds-protos/well-known-types.ts';
import { differences, normalisations } from './differences.ts';
import { compareRecording, declared, differencesOf, scenarioConfig } from './recording.ts';

interface RecordedScenario {
  readonly scenario: string;
  readonly nodes: readonly string[];
  /** Fields of its YAML that the embedded control plane refuses. */
  readonly refused?: readonly string[];
}

const RECORDINGS: readonly RecordedScenario[] = [
  {
    scenario: '01-bookinfo',
    nodes: ['productpage', 'reviews-v2', 'productpage-sotw', 'productpage-1.29'],
  },
  { scenario: '02-routing', nodes: ['productpage'] },
  { scenario: '03-faults', nodes: ['productpage'] },
  // Beyond the proof that is asked for: what else is istiod's already.
  { scenario: '04-security', nodes: ['productpage'], refused: ['kind'] },
  {
    scenario: '05-resilience',
    nodes: ['productpage'],
    refused: ['spec.trafficPolicy.loadBalancer.localityLbSetting'],
  },
  { scenario: '10-updates', nodes: ['productpage'] },
  { scenario: '11-scale', nodes: ['caller'] },
  {
    scenario: '12-tproxy-and-none',
    nodes: ['productpage-dns-capture', 'productpage-redirect'],
    refused: ['spec.ingress'],
  },
  { scenario: '14-endpoint-updates', nodes: ['productpage'] },
];

t.test('Recordings of istiod', async (t) => {
  const used = new Set<string>();
  for (const { scenario, nodes, refused = [] } of RECORDINGS) {
    const config = scenarioConfig(scenario);
    t.same(
      [...new Set(config.problems.map(({ path }) => path))],
      refused,
      `${scenario}: its YAML is read without other problems`,
    );
    // A cluster of istiod's own is PERMISSIVE where no PeerAuthentication speaks.
    const push = new PushContext(config, 'PERMISSIVE');
    t.same(push.warnings, [], `${scenario}: all names stand for something`);
    for (const node of nodes) {
      const recording = `${scenario}/${node}`;
      for (const comparison of compareRecording(scenario, node, push)) {
        const found = differencesOf(comparison);
        const undeclared = found.filter(({ path }) => declared(recording, path) === undefined);
        for (const { path } of found) {
          const row = declared(recording, path);
          if (row !== undefined) used.add(`${row.recording} ${row.path}`);
        }
        t.same(
          undeclared,
          [],
          `${recording}: ${comparison.type} resources are istiod's (${comparison.recorded.size} compared)`,
        );
        t.ok(
          comparison.recorded.size > 0,
          `${recording}: there are ${comparison.type} resources to compare`,
        );
        if (comparison.type === 'cluster') {
          t.same(
            comparison.generatedOrder,
            comparison.recordedOrder,
            `${recording}: clusters come in istiod's order`,
          );
        }
      }
    }
  }
  for (const { what, reason } of normalisations) t.comment(`normalised: ${what} (${reason})`);
  for (const { recording, path, reason } of differences)
    t.comment(`differs: ${recording}: ${path}: ${reason}`);
  t.same(
    [...used].sort(),
    differences.map(({ recording, path }) => `${recording} ${path}`).sort(),
    'every declared difference is still there',
  );
});

t.test('The comparison finds what differs', async (t) => {
  const left = { a: [{ b: 1 }, { b: 2 }], c: ['x', 'y'], same: {} };
  const right = { a: [{ b: 1 }, { b: 3 }, {}], c: ['y', 'x'], same: {}, more: 1 };
  const found = differencesOf({
    type: 'route',
    recorded: new Map<string, JsonValue>([
      ['9080', left],
      ['gone', {}],
    ]),
    generated: new Map([['9080', right]]),
    recordedOrder: [],
    generatedOrder: [],
  });
  t.same(found.map(({ path }) => path).sort(), [
    'route/9080/a/1/b',
    'route/9080/a/2',
    'route/9080/c',
    'route/9080/more',
    'route/gone',
  ]);
});
