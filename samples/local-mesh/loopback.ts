// A mesh without privileges: each pod is a group of 127.x addresses, and an address of a pod's own stands for each service.
import { createServer } from 'node:net';

import { MeshRun } from './mesh-run.ts';
import type { RunningMesh, StartOptions } from './mesh-run.ts';
import { ADMIN_PORT } from './plan.ts';
import type { SocketPlace } from './plan.ts';

type BindResult = 'free' | 'taken' | 'absent';

function tryBind({ address, port }: SocketPlace): Promise<BindResult> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'EADDRNOTAVAIL' ? 'absent' : 'taken'),
    );
    server.listen(port, address, () => server.close(() => resolve('free')));
  });
}

const FIRST_BYTE = 77;
const MOST_MESHES = 20;

/** The second byte of addresses that no other mesh uses; throws in words where 127.x addresses do not exist. */
export async function chooseLoopbackByte(port: number): Promise<number> {
  for (let byte = FIRST_BYTE; byte < FIRST_BYTE + MOST_MESHES; byte++) {
    const result = await tryBind({ address: `127.${byte}.0.1`, port });
    if (result === 'free') return byte;
    if (result === 'absent') {
      throw new Error(
        'this system has no loopback addresses beyond 127.0.0.1, and every pod needs some of its own. ' +
          'macOS does not bring them by itself: run this in a Linux virtual machine or container instead',
      );
    }
  }
  throw new Error(
    `${MOST_MESHES} local meshes are running already, or port ${port} is taken on all of 127.${FIRST_BYTE}.0.1 and the next`,
  );
}

export async function startLoopbackMesh(options: StartOptions): Promise<RunningMesh> {
  const { plan } = options;
  const run = new MeshRun({
    ...options,
    entrance: { enter: () => [], appUid: undefined, sidecarUid: undefined },
  });
  try {
    await run.start();
  } catch (error) {
    await run.stop();
    throw error;
  }
  const admins = plan.withSidecars
    ? plan.pods.map(({ name, address }) => [name, { host: address, port: ADMIN_PORT }] as const)
    : [];
  return {
    front: { host: plan.front.address, port: plan.front.port },
    admins: new Map(admins),
    stop: () => run.stop(),
  };
}
