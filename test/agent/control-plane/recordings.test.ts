// [m] The proof: for the YAML that istiod was given, our clusters, endpoints, listeners and routes are istiod's, field by field.
import t from 'tap';

import { PushContext } from '../../../agent/control-plane/push-context.ts';
import { differences, normalisations } from './differences.ts';
import { compareRecording, declared, differencesOf, scenarioConfig } from './recording.ts';

const RECORDINGS: readonly (readonly [string, readonly string[]])[] = [
  ['01-bookinfo', ['productpage', 'reviews-v2', 'productpage-sotw', 'productpage-1.29']],
  ['02-routing', ['productpage']],
  ['03-faults', ['productpage']],
];

t.test('Recordings of istiod', async (t) => {
  const used = new Set<string>();
  for (const [scenario, nodes] of RECORDINGS) {
    const config = scenarioConfig(scenario);
    t.same(config.problems, [], `${scenario}: its YAML is read without problems`);
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
        t.same(undeclared, [], `${recording}: ${comparison.type} resources are istiod's (${comparison.recorded.size} compared)`);
        t.ok(comparison.recorded.size > 0, `${recording}: there are ${comparison.type} resources to compare`);
        if (comparison.type === 'cluster') {
          t.same(comparison.generatedOrder, comparison.recordedOrder, `${recording}: clusters come in istiod's order`);
        }
      }
    }
  }
  for (const { what, reason } of normalisations) t.comment(`normalised: ${what} (${reason})`);
  for (const { recording, path, reason } of differences) t.comment(`differs: ${recording}: ${path}: ${reason}`);
  t.same([...used].sort(), differences.map(({ recording, path }) => `${recording} ${path}`).sort(), 'every declared difference is still there');
});
