// @long @timeout 180 s
// [m] Every recording of a real istiod, sent to our proxy over a real gRPC stream: each response is acknowledged, each name asked for.
import t from 'tap';
import type { Test } from 'tap';

import { eventually } from '../support/eventually.ts';
import { PodNetwork, canUseNetns } from '../support/netns.ts';
import { allRecordings } from '../support/replay-control-plane.ts';
import { INERT_ROWS, NOT_ASKED_FOR, isInertNote } from '../support/replay-inert.ts';
import type { InertRow } from '../support/replay-inert.ts';
import { startReplayProxy } from '../support/replay-proxy.ts';

// Processes, namespaces, timers of the recordings: on a busy machine this takes longer than tap allows by itself.
t.setTimeout(120_000);

const NAMED_TYPES = ['ClusterLoadAssignment', 'RouteConfiguration'] as const;

/** Rows that a recording was seen to need. */
const seen = new Map<InertRow, string[]>();

/** In a namespace of its own where that can be had, since all want the ports of a sidecar. */
async function replay(t: Test, recording: string): Promise<void> {
  const network = canUseNetns() ? new PodNetwork(['pod']) : undefined;
  t.teardown(() => network?.close());
  const pod = network?.pod('pod');
  const proxy = await startReplayProxy(t, recording, pod === undefined ? {} : { pod });
  const { controlPlane } = proxy;
  t.strictSame(controlPlane.nacks, [], 'the first load is acknowledged');
  t.match(controlPlane.requests[0]?.node?.id, /^(sidecar|router)~/, 'the node is the recorded one');
  for (const type of NAMED_TYPES) {
    t.strictSame(
      controlPlane.subscribed(type),
      controlPlane.recorded(type),
      `asks for each ${type}`,
    );
  }
  if (pod !== undefined) {
    // Secrets of a gateway are waited for 15 s.
    const live = (): boolean => proxy.log.some((line) => line.includes('the server is live'));
    await eventually('live', live, 45_000);
  }
  for (const [i, step] of controlPlane.steps.entries()) {
    await controlPlane.play(step);
    t.strictSame(controlPlane.nacks, [], `step ${step.name} is acknowledged`);
    const asked = controlPlane.subscribed('ClusterLoadAssignment');
    t.strictSame(
      asked,
      controlPlane.edsClusters(i + 1),
      `step ${step.name}: asks for its endpoints`,
    );
  }
  await proxy.stop();
  checkNotes(t, recording, proxy.log);
}

function checkNotes(t: Test, recording: string, log: readonly string[]): void {
  for (const line of log.filter(isInertNote)) {
    const row = INERT_ROWS.find(
      ({ note, recordings }) => line.startsWith(note) && recording.startsWith(recordings),
    );
    t.ok(row, `is declared: ${line}`);
    if (row !== undefined) seen.set(row, [...(seen.get(row) ?? []), recording]);
  }
  const alarms = log.filter((line) => /^(warning|error|critical): /.test(line));
  // In a namespace without a name server, and outside of one where another sidecar has the ports.
  const expected = /cannot bind|DNS|resol|does not resolve|^warning: Deprecated field/i;
  t.strictSame(
    alarms.filter((line) => !expected.test(line)),
    [],
    'nothing else is amiss',
  );
}

t.test('Replay of istiod', { jobs: 2, timeout: 120_000 }, async (t) => {
  for (const recording of allRecordings()) {
    t.test(recording, { buffered: true, timeout: 90_000 }, async (t) => replay(t, recording));
  }
  t.test('accepts without doing it only what is declared', async (t) => {
    for (const row of INERT_ROWS) {
      const recordings = seen.get(row) ?? [];
      t.ok(recordings.length > 0, `still so: ${row.note}`);
      t.comment(`NOT DONE: ${row.note}: ${row.meaning} (${recordings.length} recordings)`);
    }
    for (const line of NOT_ASKED_FOR) t.comment(`NOT ASKED FOR: ${line}`);
  });
});
