// Listening sockets with options that libuv has no names for, on pipes, and alone on their port; the kernel is asked what it got.
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import t from 'tap';

import { realTime } from '../../../proxy/base/clock.ts';
import type { AddressConfig, ListenSocketConfig } from '../../../proxy/config/listener-config.ts';
import { IoThread } from '../../../proxy/network/io-thread.ts';
import { libc } from '../../../proxy/network/libc.ts';
import { ListenSocket } from '../../../proxy/network/listen-socket.ts';
import type { ListenSocketSettings } from '../../../proxy/network/listen-socket.ts';
import type { SocketHandle } from '../../../proxy/network/socket-binding.ts';
import { privateDir } from '../../support/private-dir.ts';

const LOOPBACK: AddressConfig = { kind: 'ip', address: '127.0.0.1', port: 0 };
const NOTHING: ListenSocketConfig = {
  transparent: false,
  freebind: false,
  fastOpenQueueLength: 0,
  keepalive: undefined,
  options: [],
};

function int(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

interface Accepted {
  readonly socket: ListenSocket;
  readonly handle: SocketHandle;
}

async function accepted(
  t: { teardown(fn: () => void): void },
  address: AddressConfig,
  settings: Partial<ListenSocketSettings> = {},
): Promise<Accepted> {
  const { promise, resolve } = Promise.withResolvers<SocketHandle>();
  const socket = new ListenSocket(
    new IoThread(realTime),
    address,
    { backlog: 16, ...settings },
    resolve,
  );
  const peer: Socket = connect(
    address.kind === 'pipe'
      ? { path: address.path.replace(/^@/, '\0') }
      : { port: socket.port, host: address.address },
  );
  const handle = await promise;
  t.teardown(() => {
    peer.destroy();
    handle.close();
    socket.close();
  });
  return { socket, handle };
}

function optionOf({ fd }: SocketHandle, level: number, name: number): number {
  const value = Buffer.alloc(4);
  const length = new Uint32Array([4]);
  t.equal(libc()!.getsockopt(fd, level, name, value, length), 0);
  return value.readInt32LE(0);
}

t.test('ListenSocket', async (t) => {
  await t.test('keep-alive of the listener is that of its connections', async (t) => {
    const keepalive = { probes: 4, timeSeconds: 77, intervalSeconds: 11 };
    const { handle } = await accepted(t, LOOPBACK, { socket: { ...NOTHING, keepalive } });
    t.equal(optionOf(handle, 1, 9), 1, 'SO_KEEPALIVE');
    t.equal(optionOf(handle, 6, 6), 4, 'TCP_KEEPCNT');
    t.equal(optionOf(handle, 6, 4), 77, 'TCP_KEEPIDLE');
    t.equal(optionOf(handle, 6, 5), 11, 'TCP_KEEPINTVL');
  });

  await t.test('options of a family are left out for the other', async (t) => {
    const one = { level: 6, name: 4, value: int(55), state: 'PREBIND' } as const;
    const { handle } = await accepted(t, LOOPBACK, {
      socket: {
        ...NOTHING,
        options: [
          { ...one, family: 4 },
          { ...one, value: int(66), family: 6 },
        ],
      },
    });
    t.equal(optionOf(handle, 6, 4), 55);
  });

  t.test('freebind takes an address that is not there', (t) => {
    const elsewhere: AddressConfig = { kind: 'ip', address: '192.0.2.77', port: 0 };
    const io = new IoThread(realTime);
    const listen = (socket: ListenSocketConfig | undefined): ListenSocket =>
      new ListenSocket(io, elsewhere, { backlog: 1, socket }, () => {});
    t.throws(() => listen(undefined), { message: /^cannot bind '192\.0\.2\.77:0': / });
    const socket = listen({ ...NOTHING, freebind: true, fastOpenQueueLength: 5 });
    t.ok(socket.port > 0);
    socket.close();
    t.end();
  });

  t.test('an option that the kernel refuses is an error with the address', (t) => {
    const bad = { level: 6, name: 9999, value: int(1), state: 'BOUND' } as const;
    t.throws(
      () =>
        new ListenSocket(
          new IoThread(realTime),
          LOOPBACK,
          { backlog: 1, socket: { ...NOTHING, options: [bad] } },
          () => {},
        ),
      { message: /^cannot bind '127\.0\.0\.1:0': a socket option is refused \(BOUND\)$/ },
    );
    t.end();
  });

  await t.test('a pipe with a mode takes the place of a file that was left', async (t) => {
    const path = join(privateDir(t), 'listener.sock');
    writeFileSync(path, 'old');
    const { socket } = await accepted(t, { kind: 'pipe', path, mode: 0o600 });
    t.equal(statSync(path).mode & 0o777, 0o600);
    t.equal(socket.port, 0);
    socket.close();
    await new Promise((resolve) => setImmediate(resolve));
    t.notOk(existsSync(path), 'it goes with the socket');
  });

  await t.test('an abstract pipe', async (t) => {
    await accepted(t, { kind: 'pipe', path: `@outrigger-test-${process.pid}`, mode: 0 });
  });

  t.test('a port that is not shared', (t) => {
    const io = new IoThread(realTime);
    const first = new ListenSocket(io, LOOPBACK, { backlog: 1, reusePort: false }, () => {});
    const same: AddressConfig = { kind: 'ip', address: '127.0.0.1', port: first.port };
    t.throws(
      () => new ListenSocket(io, same, { backlog: 1 }, () => {}),
      /Address already in use|EADDRINUSE/,
    );
    first.close();
    t.end();
  });
});
