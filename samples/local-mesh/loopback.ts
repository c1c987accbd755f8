// A mesh without privileges: each pod is a group of 127.x addresses, and an address of a pod's own stands for each service.
import { createServer } from 'node:net';
import type { Server } from 'node:net';

import { MeshRun } from './mesh-run.ts';
import type { RunningMesh, StartOptions } from './mesh-run.ts';
import { ADMIN_PORT } from './plan.ts';
import type { SocketPlace } from './plan.ts';

function bind({ address, port }: SocketPlace): Promise<Server | 'taken' | 'absent'> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'EADDRNOTAVAIL' ? 'absent' : 'taken'),
    );
    server.listen(port, address, () => resolve(server));
  });
}

async function tryBind(place: SocketPlace): Promise<'free' | 'taken' | 'absent'> {
  const server = await bind(place);
  if (typeof server === 'string') return server;
  await new Promise((resolve) => server.close(resolve));
  return 'free';
}

const FIRST_BYTE = 77;
const MOST_MESHES = 20;

/** Held for as long as the mesh runs; nothing is served there. */
const CLAIM_PORT = 15_009;

export interface LoopbackClaim {
  readonly byte: number;
  readonly release: () => void;
}

async function areFree(places: readonly SocketPlace[]): Promise<boolean> {
  for (const place of places) if ((await tryBind(place)) !== 'free') return false;
  return true;
}

/**
 * The second byte of addresses that no other mesh uses, `placesOf` being where a mesh would listen.
 * Throws in words where 127.x addresses do not exist.
 */
export async function claimLoopbackByte(
  placesOf: (byte: number) => readonly SocketPlace[],
): Promise<LoopbackClaim> {
  for (let byte = FIRST_BYTE; byte < FIRST_BYTE + MOST_MESHES; byte++) {
    const claim = await bind({ address: `127.${byte}.0.1`, port: CLAIM_PORT });
    if (claim === 'absent') {
      throw new Error(
        'this system has no loopback addresses beyond 127.0.0.1, and every pod needs some of its own. ' +
          'macOS does not bring them by itself: run this in a Linux virtual machine or container instead',
      );
    }
    if (claim === 'taken') continue;
    // Processes of a mesh that was killed outright may still be ending.
    if (await areFree(placesOf(byte))) return { byte, release: () => void claim.close() };
    claim.close();
  }
  throw new Error(
    `other local meshes, or others' ports, take all of 127.${FIRST_BYTE}.0.0 to 127.${FIRST_BYTE + MOST_MESHES - 1}.0.0; stop one of them`,
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
