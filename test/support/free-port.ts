// Ports for programs under test, which bind them a while after they are given out: never the same twice, neither to this process
// nor to another test that runs beside it. Listeners with SO_REUSEPORT would share a port without a word.
import { createServer } from 'node:net';
import type { Server } from 'node:net';

/** Below the range from which the kernel takes ports for connections: nobody dials from one before it is bound. */
const FIRST = 16_000;
const BLOCK = 160;
const BLOCKS = 100;

let next = 0;
let end = 0;

function listen(port: number): Promise<Server | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

/** The block is this process's as long as it listens on the block's first port. */
async function takeBlock(): Promise<void> {
  for (;;) {
    const first = FIRST + BLOCK * Math.floor(Math.random() * BLOCKS);
    const guard = await listen(first);
    if (guard === undefined) continue;
    guard.unref();
    next = first + 1;
    end = first + BLOCK;
    return;
  }
}

export async function freePort(): Promise<number> {
  for (;;) {
    if (next === end) await takeBlock();
    const port = next++;
    const server = await listen(port);
    if (server === undefined) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}
