// First process inside the mesh's namespaces: builds the pods' networks, runs the mesh, and takes everything with it when it ends.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

import { Forwarder } from './forwarder.ts';
import { MeshRun } from './mesh-run.ts';
import { adminSocket, pageSocket } from './netns.ts';
import type { FromInside, ToInside } from './netns.ts';
import { APP_UID, PodNetworks, SIDECAR_UID } from './network.ts';
import { ADMIN_PORT } from './plan.ts';
import { RUN_VARIABLE } from './processes.ts';

type StartMessage = Extract<ToInside, { kind: 'start' }>;

const send = (message: FromInside): void => void process.send?.(message);

// Marks this process as part of the run; what it starts for itself ends with it anyway.
delete process.env[RUN_VARIABLE];

let run: MeshRun | undefined;
let runDir: string | undefined;

/** Files of other users may be removable from in here only. */
async function end(code: number): Promise<never> {
  await run?.stop();
  if (runDir !== undefined) {
    for (const part of ['ca', 'pods', 'sockets'])
      rmSync(join(runDir, part), { recursive: true, force: true });
  }
  process.exit(code);
}

async function publish(message: StartMessage): Promise<void> {
  mkdirSync(join(message.runDir, 'sockets'));
  const { front, pods, withSidecars } = message.plan;
  await Forwarder.listen(
    { path: pageSocket(message.runDir) },
    { host: front.address, port: front.port },
  );
  if (!withSidecars) return;
  for (const { name, address } of pods) {
    await Forwarder.listen(
      { path: adminSocket(message.runDir, name) },
      { host: address, port: ADMIN_PORT },
    );
  }
}

async function start(message: StartMessage): Promise<void> {
  const { plan, runId, root } = message;
  runDir = message.runDir;
  // iptables keeps its lock there, which without root is not ours.
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
  const networks = await PodNetworks.create(plan.pods, plan.withSidecars ? root : undefined);
  const rules = plan.withSidecars ? ' and redirect rules' : '';
  send({ kind: 'progress', text: `${plan.pods.length} namespaces are up, with addresses${rules}` });
  run = new MeshRun({
    plan,
    runId,
    runDir,
    root,
    entrance: {
      enter: (pod, uid) => networks.enter(pod, uid),
      appUid: APP_UID,
      sidecarUid: SIDECAR_UID,
    },
    signal: new AbortController().signal,
    progress: (text) => send({ kind: 'progress', text }),
    onEvent: (text) => send({ kind: 'event', text }),
  });
  await run.start();
  await publish(message);
  send({ kind: 'ready' });
}

process.on('message', (message: ToInside) => {
  if (message.kind === 'stop') {
    void end(0);
    return;
  }
  start(message).catch((error: unknown) => {
    send({ kind: 'failed', text: error instanceof Error ? error.message : String(error) });
    void end(1);
  });
});
// Whoever started the mesh is gone.
process.on('disconnect', () => void end(0));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => void end(0));
