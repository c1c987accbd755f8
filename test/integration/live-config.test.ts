// [m] YAML to traffic: control plane, two sidecars and a load that never stops while the configuration changes.
import t from 'tap';

import { eventually } from '../support/eventually.ts';
import { checkSplit, countBy } from '../support/replay-statistics.ts';
import { Load, loadOnce, splitYaml, startSidecarMesh } from '../support/sidecar-mesh.ts';
import type { SidecarMesh } from '../support/sidecar-mesh.ts';

// Processes, namespaces, timers of the recordings: on a busy machine this takes longer than tap allows by itself.
t.setTimeout(120_000);

const weights = (v1: number, v2: number): Map<string, number> =>
  new Map(
    [
      ['v1', v1],
      ['v2', v2],
    ].filter(([, weight]) => weight !== 0) as [string, number][],
  );

t.test(
  'Configuration that changes under load',
  { skip: process.platform !== 'linux', timeout: 90_000 },
  async (t) => {
    let mesh: SidecarMesh;
    let load: Load;
    t.before(async () => {
      mesh = await startSidecarMesh(t);
      load = new Load(mesh.serviceAddress);
    });

    const draw = async (): Promise<Map<string, number>> =>
      countBy(await load.next(1000), ({ status, body }) =>
        status === 200 ? body : `${status} ${body}`,
      );

    t.test('splits 80/20 as the YAML says', async (t) => {
      const verdict = await checkSplit(weights(80, 20), draw);
      t.ok(verdict.ok, verdict.text);
    });

    t.test('follows an edit of the weights without a failed request', async (t) => {
      const from = load.answers.length;
      for (const [v1, v2] of [
        [20, 80],
        [0, 100],
        [50, 50],
      ] as const) {
        mesh.write('routing.yaml', splitYaml(v1, v2));
        const editedMs = performance.now();
        // Near enough first: the answers of the old weights that are still on their way are not held against the new ones.
        await eventually(`${v1}/${v2} comes through`, async () => {
          const share = (await draw()).get('v1') ?? 0;
          return Math.abs(share - v1 * 10) < 80;
        });
        t.comment(`${v1}/${v2} seen within ${(performance.now() - editedMs).toFixed(0)} ms`);
        const verdict = await checkSplit(weights(v1, v2), draw);
        t.ok(verdict.ok, verdict.text);
      }
      const failed = load.answers.slice(from).filter(({ status }) => status !== 200);
      t.strictSame(failed, [], `${load.answers.length - from} requests, none failed`);
    });

    t.test('keeps the last good configuration when an edit is broken', async (t) => {
      const from = load.answers.length;
      mesh.write(
        'routing.yaml',
        `${splitYaml(50, 50)}\n  - route: [{destination: {host: reviews, subset: v1}, weight: -3`,
      );
      await eventually('the control plane says what is wrong', () =>
        mesh.controlPlaneLog.some((line) => line.includes('routing.yaml')),
      );
      t.comment(mesh.controlPlaneLog.filter((line) => line.includes('routing.yaml')).join(' | '));
      const verdict = await checkSplit(weights(50, 50), draw);
      t.ok(verdict.ok, verdict.text);
      mesh.write('routing.yaml', splitYaml(0, 100));
      await eventually(
        'the repaired file is in force',
        async () => (await draw()).get('v2') === 1000,
      );
      const failed = load.answers.slice(from).filter(({ status }) => status !== 200);
      t.strictSame(failed, [], 'no request failed');
    });

    t.test('answers as Istio does when the service is removed', async (t) => {
      await load.stop();
      mesh.write('services.yaml', '');
      mesh.write('routing.yaml', '');
      const states: string[] = [];
      await eventually('the service is gone', async () => {
        const { status, body } = await loadOnce(mesh.serviceAddress);
        const state = `${status} ${body}`.replace(/v[12]/, 'v*');
        if (states.at(-1) !== state) states.push(state);
        return state.includes('ECONNREFUSED');
      }).catch(() => {});
      t.comment(`the caller sees: ${states.join(', then ')}`);
      t.match(states.at(-1), /^0 connect ECONNREFUSED/, 'its listener went with it');
    });
  },
);
