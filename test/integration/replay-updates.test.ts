// @long @timeout 180 s
// [m] 10-updates while requests run: every change of the recording is in force for the next request, and none is lost over it. Root only.
// @timeout 180 s
import t from 'tap';
import type { Test } from 'tap';

import { eventually } from '../support/eventually.ts';
import { netnsUnavailableReason } from '../support/netns.ts';
import type { ClientAnswer, ClientWork } from '../support/replay-client.ts';
import { startReplayMesh } from '../support/replay-mesh.ts';
import type { ReplayMesh } from '../support/replay-mesh.ts';
import { checkSplit, countBy } from '../support/replay-statistics.ts';

// Processes, namespaces, timers of the recordings: on a busy machine this takes longer than tap allows by itself.
t.setTimeout(120_000);

const REMOVED_VIP = '10.96.0.11';
const OWN = '10.244.0.11';
const pod = (number: number): string => `10.244.0.${number}`;
const mesh = {
  ownAddress: OWN,
  // Something answers at the removed service's address, so that passing through to it can be seen.
  endpoints: [...[12, 13, 14, 15, 16, 25, 50].map(pod), REMOVED_VIP],
  ports: [9080],
};

const call = (service: string, vip: string, rest: Partial<ClientWork> = {}): ClientWork => ({
  host: vip,
  port: 9080,
  path: '/',
  ...rest,
  headers: { host: `${service}:9080`, ...rest.headers },
});
const reviews = (rest: Partial<ClientWork> = {}): ClientWork => call('reviews', '10.96.0.13', rest);
const toV2 = { headers: { 'end-user': 'jason' } };

const label = ({ status, address }: ClientAnswer): string =>
  status === 200 ? address : `${status}`;

/** Acknowledged means applied on the main thread; the worker hears of it a moment later. */
async function comesTo(
  t: Test,
  running: ReplayMesh,
  work: ClientWork,
  addresses: readonly string[],
): Promise<void> {
  let found: readonly string[] = [];
  const isThere = async (): Promise<boolean> => {
    const [answers = []] = await running.ask([{ ...work, count: 60, brief: true }]);
    found = [...countBy(answers, label).keys()].sort();
    return found.join() === addresses.join();
  };
  await eventually('', isThere).catch(() => {});
  t.strictSame(found, addresses);
}

type Check = (t: Test, running: ReplayMesh) => Promise<void>;

const CHECKS: Readonly<Record<string, Check>> = {
  'change-weights': async (t, running) => {
    const verdict = await checkSplit(
      new Map([
        [pod(14), 1],
        [pod(15), 1],
      ]),
      async () => {
        const [answers = []] = await running.ask([reviews({ count: 2000, brief: true })]);
        return countBy(answers, label);
      },
    );
    t.ok(verdict.ok, verdict.text);
  },
  'add-endpoint': (t, running) => comesTo(t, running, reviews(toV2), [pod(15), pod(25)]),
  'remove-endpoint': (t, running) => comesTo(t, running, reviews(toV2), [pod(25)]),
  'add-service': (t, running) => comesTo(t, running, call('hours', '10.96.0.40'), [pod(50)]),
  'remove-service': async (t, running) => {
    await comesTo(t, running, call('details', REMOVED_VIP), [REMOVED_VIP]);
    await eventually('the passthrough in the access log', () =>
      running.proxy.accessLog.some(
        (line) =>
          line.includes(`"${REMOVED_VIP}:9080" PassthroughCluster`) && line.endsWith('allow_any'),
      ),
    );
  },
  'delete-virtualservice': (t, running) =>
    comesTo(t, running, reviews(), [pod(14), pod(16), pod(25)]),
  'strict-mtls': async (t, running) => {
    let answer: ClientAnswer | undefined;
    await eventually('plaintext from outside is refused', async () => {
      const [answers = []] = await running.askFromOutside([{ host: OWN, port: 9080, path: '/' }]);
      answer = answers[0];
      return answer?.status !== 200;
    });
    t.equal(answer?.status, 0, `the connection is closed: ${answer?.body}`);
    await comesTo(t, running, reviews(), [pod(14), pod(16), pod(25)]);
  },
};

async function updates(t: Test, recording: string): Promise<void> {
  const running = await startReplayMesh(t, recording, mesh);
  const { controlPlane } = running.proxy;
  t.strictSame(
    Object.keys(CHECKS),
    controlPlane.steps.map(({ name }) => name),
  );
  for (const step of controlPlane.steps) {
    t.comment(step.name);
    // Long enough that the step falls into it.
    const load = running.ask([reviews({ count: 1500, concurrency: 4, brief: true })]);
    await running.proxy.controlPlane.play(step);
    await CHECKS[step.name]!(t, running);
    const [answers = []] = await load;
    const failed = answers.filter(({ status }) => status !== 200);
    t.strictSame(failed, [], `${step.name}: none of ${answers.length} requests failed`);
  }
  t.strictSame(controlPlane.nacks, []);
}

const skip = netnsUnavailableReason() ?? false;
t.test('Updates of 10-updates', { skip, timeout: 120_000 }, async (t) => {
  for (const recording of ['10-updates/productpage', '10-updates/productpage-sotw']) {
    t.test(recording, async (t) => updates(t, recording));
  }
});
if (skip !== false) t.comment(`SKIPPED, root only: updates of 10-updates (${skip})`);
