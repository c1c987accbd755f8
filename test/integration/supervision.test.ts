// @long @timeout 180 s
// [m] pilot-agent with our real proxy under load: a proxy that is killed is back, and SIGTERM on the agent leaves nothing behind.
import { readFileSync } from 'node:fs';
import t from 'tap';

import { eventually } from '../support/eventually.ts';
import { Load, childrenOf, startSidecarMesh } from '../support/sidecar-mesh.ts';
import type { LoadAnswer } from '../support/sidecar-mesh.ts';

// Processes, namespaces, timers of the recordings: on a busy machine this takes longer than tap allows by itself.
t.setTimeout(120_000);

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** The longest time between two good answers of v1, whose two sidecars are those that are killed, in ms. */
function longestGapMs(answers: readonly LoadAnswer[]): number {
  const times = answers.filter(({ body }) => body === 'v1').map(({ atMs }) => atMs);
  return Math.max(...times.slice(1).map((atMs, i) => atMs - times[i]!));
}

t.test(
  'Supervision of the proxy',
  { skip: process.platform !== 'linux', timeout: 90_000 },
  async (t) => {
    const mesh = await startSidecarMesh(t);
    const { caller, server } = mesh;

    for (const [name, sidecar] of [
      ['caller', caller],
      ['server', server],
    ] as const) {
      t.test(`brings the proxy of the ${name} back after kill -9 under load`, async (t) => {
        const load = new Load(mesh.serviceAddress);
        await load.next(200);
        const killed = sidecar.proxyPid()!;
        process.kill(killed, 'SIGKILL');
        const killedAt = load.answers.length;
        await eventually('another proxy', () => {
          const pid = sidecar.proxyPid();
          return pid !== undefined && pid !== killed;
        });
        const isServing = (): boolean =>
          load.answers.slice(killedAt).filter(({ body }) => body === 'v1').length >= 100;
        await eventually('serving again, v1 too', isServing, 30_000);
        const last = await load.next(200);
        const failed = last.filter(({ status }) => status !== 200);
        t.strictSame(failed, [], 'no request fails any more');
        const answers = await load.stop();
        const lost = answers.filter(({ status }) => status !== 200).length;
        t.comment(
          `${name}: longest gap ${longestGapMs(answers).toFixed(0)} ms, ${lost} of ${answers.length} requests failed`,
        );
        await eventually('its flight is recorded', () =>
          /flight record of epoch 1: /.test(sidecar.output()),
        );
        const path = `${sidecar.folder}/etc/istio/proxy/flight-record-1.json`;
        const record = JSON.parse(readFileSync(path, 'utf8')) as object;
        t.match(record, {
          epoch: 1,
          pid: killed,
          reason: /^killed by SIGKILL/,
          configVersions: { 'type.googleapis.com/envoy.config.cluster.v3.Cluster': /./ },
        });
        t.match(
          sidecar.output(),
          /proxy killed by SIGKILL \(signal 9\): by hand, or by the kernel because memory ran out; restart 1 of \d+ in \d+ ms/,
        );
      });
    }

    t.test('drains on SIGTERM and leaves no process behind', async (t) => {
      const load = new Load(mesh.serviceAddress);
      await load.next(50);
      for (const sidecar of [server, caller]) {
        const pids = [sidecar.agent.pid!, ...childrenOf(sidecar.agent.pid!)];
        t.equal(pids.length, 2, 'an agent and its proxy');
        const terminatedMs = performance.now();
        const from = load.answers.length;
        sidecar.agent.kill('SIGTERM');
        await eventually('both gone', () => pids.every((pid) => !isAlive(pid)));
        t.equal(sidecar.agent.signalCode, null, 'the agent ends by itself');
        t.match(sidecar.output(), /received SIGTERM[^]*shutting down: inbound drains for 1000 ms/);
        const draining = load.answers.slice(from).filter(({ atMs }) => atMs < terminatedMs + 800);
        t.ok(draining.length > 0, `${draining.length} requests while it drained`);
        // The server went first, so of the caller's only those to v2 can succeed; but an answer comes to all.
        const failed = draining.filter(({ status }) =>
          sidecar === server ? status !== 200 : status === 0,
        );
        t.strictSame(failed, [], 'none of them was cut');
      }
      await load.stop();
    });
  },
);
