// [w] Dialling: what is set on sockets, where they come from, hosts with several addresses.
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import t from 'tap';

import { realTime } from '../../../proxy/base/clock.ts';
import type { AddressConfig } from '../../../proxy/config/listener-config.ts';
import type { UpstreamBindConfig } from '../../../proxy/config/socket-config.ts';
import type { Connection } from '../../../proxy/network/connection.ts';
import { PLAIN_DIAL, dialOptions } from '../../../proxy/network/dial-options.ts';
import type { DialOptions } from '../../../proxy/network/dial-options.ts';
import { dial, interleaved } from '../../../proxy/network/happy-eyeballs.ts';
import { IoThread } from '../../../proxy/network/io-thread.ts';
import { libc } from '../../../proxy/network/libc.ts';
import { peerHasGone } from '../../../proxy/network/tcp-state.ts';
import { CloseType } from '../../../proxy/network/transport.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import type { Teardowns } from '../../support/private-dir.ts';

const ip = (address: string, port: number): AddressConfig => ({ kind: 'ip', address, port });

async function listen(t: Teardowns, host = '127.0.0.1'): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => {}).resume());
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  t.teardown(() => void server.close());
  return (server.address() as AddressInfo).port;
}

interface Outcome {
  readonly connection: Connection | null;
  readonly reason: string;
  readonly local: boolean;
  readonly further: number;
}

function dialled(
  addresses: readonly AddressConfig[],
  options: DialOptions = PLAIN_DIAL,
): Promise<Outcome> {
  return new Promise((resolve) => {
    let further = 0;
    const [address, ...others] = addresses;
    dial(new IoThread(realTime), { address: address!, others }, options, {
      onConnected: (connection) => resolve({ connection, reason: '', local: false, further }),
      onConnectFailed: (reason, local) => resolve({ connection: null, reason, local, further }),
      onFurtherAttempt: () => further++,
    });
  });
}

const from = (bind: Partial<UpstreamBindConfig>): DialOptions =>
  dialOptions({
    bind: { sources: [], freebind: false, socketOptions: [], ...bind },
    keepalive: undefined,
    happyEyeballs: undefined,
  });

function intOption(fd: number, level: number, name: number): number {
  const value = new Int32Array(1);
  const length = new Uint32Array([4]);
  const status = libc()!.getsockopt(fd, level, name, new Uint8Array(value.buffer), length);
  return status === 0 ? value[0]! : -1;
}

t.test('dial', { skip: process.platform !== 'linux' }, async (t) => {
  await t.test('sets keepalive as configured, and the rest as the system has it', async (t) => {
    const port = await listen(t);
    const options = (keepalive: Parameters<typeof dialOptions>[0]['keepalive']): DialOptions =>
      dialOptions({ bind: undefined, keepalive, happyEyeballs: undefined });
    const rows = [
      [{ timeSeconds: 11, intervalSeconds: 7, probes: 3 }, [1, 11, 7, 3]],
      [{ timeSeconds: 11, intervalSeconds: undefined, probes: undefined }, [1, 11, -2, -2]],
      [{ timeSeconds: undefined, intervalSeconds: undefined, probes: undefined }, [1, -2, -2, -2]],
    ] as const;
    const plain = (await dialled([ip('127.0.0.1', port)])).connection!;
    const seen = (fd: number): number[] => [
      intOption(fd, 1, 9),
      intOption(fd, 6, 4),
      intOption(fd, 6, 5),
      intOption(fd, 6, 6),
    ];
    const system = seen(plain.fd);
    t.equal(system[0], 0, 'off where it is not asked for');
    plain.close(CloseType.NoFlush);
    for (const [keepalive, expected] of rows) {
      const { connection } = await dialled([ip('127.0.0.1', port)], options(keepalive));
      t.same(
        seen(connection!.fd),
        expected.map((value, i) => (value === -2 ? system[i] : value)),
      );
      connection!.close(CloseType.NoFlush);
    }
  });

  await t.test('comes from where it is told to', async (t) => {
    const port = await listen(t);
    const rows: readonly (readonly [Partial<UpstreamBindConfig>, string])[] = [
      [{ sources: [{ address: '127.0.0.6', port: 0 }] }, '127.0.0.6'],
      [
        {
          sources: [
            { address: '::1', port: 0 },
            { address: '127.0.0.7', port: 0 },
          ],
        },
        '127.0.0.7',
      ],
      [
        { sources: [{ address: '::1', port: 0 }] },
        'failed to bind to [::1]:0: Address family not supported by protocol',
      ],
      [
        { sources: [{ address: '192.0.2.55', port: 0 }] },
        'failed to bind to 192.0.2.55:0: Cannot assign requested address',
      ],
      [
        { socketOptions: [{ level: 1, name: 9999, value: new Uint8Array(4), state: 'PREBIND' }] },
        '',
      ],
    ];
    for (const [bind, expected] of rows) {
      const { connection, reason, local } = await dialled([ip('127.0.0.1', port)], from(bind));
      t.equal(connection?.localName().address ?? reason, expected);
      if (connection === null) t.ok(local, 'no fault of the other side');
      connection?.close(CloseType.NoFlush);
    }
    const fixed = await freePort();
    const bind = { sources: [{ address: '127.0.0.8', port: fixed }] };
    const { connection } = await dialled([ip('127.0.0.1', port)], from(bind));
    t.equal(connection!.localName().port, fixed);
    connection!.close(CloseType.NoFlush);
  });

  await t.test('options that are set once the socket is bound', async (t) => {
    const port = await listen(t);
    const value = new Uint8Array(new Int32Array([1]).buffer);
    const { connection } = await dialled(
      [ip('127.0.0.1', port)],
      from({ socketOptions: [{ level: 1, name: 9, value, state: 'BOUND' }] }),
    );
    t.equal(intOption(connection!.fd, 1, 9), 1);
    connection!.close(CloseType.NoFlush);
  });

  await t.test('tries the addresses of a host in turn', async (t) => {
    const good = await listen(t);
    const bad = await freePort();
    const first = await dialled([ip('127.0.0.1', good), ip('127.0.0.1', bad)]);
    t.equal(first.further, 0);
    first.connection!.close(CloseType.NoFlush);
    const second = await dialled([ip('127.0.0.1', bad), ip('127.0.0.1', good)]);
    t.equal(second.further, 1);
    t.equal(second.connection!.remoteName().port, good);
    second.connection!.close(CloseType.NoFlush);
    const none = await dialled([ip('127.0.0.1', bad), ip('127.0.0.2', bad)]);
    t.same([none.reason, none.further], ['delayed connect error: Connection refused', 1]);
  });

  await t.test('does not wait for an address that does not answer', async (t) => {
    // Nobody accepts, and the queue is full: connecting takes for ever.
    const server = createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve) =>
      server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, resolve),
    );
    t.teardown(() => void server.close());
    const good = await listen(t);
    const silent = 'Silent' as const;
    const io = new IoThread(realTime);
    // A transport that never becomes ready stands for it.
    const options: DialOptions = {
      ...PLAIN_DIAL,
      transport: {
        begin: (_io, handle, listener) => {
          const name: { port?: number } = {};
          handle.getpeername(name);
          if (name.port === good) listener.onTransportFailed(silent);
          return { cancel: () => handle.close() };
        },
      },
    };
    const outcome = new Promise<number>((resolve) => {
      let further = 0;
      const { port } = server.address() as AddressInfo;
      const attempt = dial(
        io,
        { address: ip('127.0.0.1', port), others: [ip('127.0.0.1', good)] },
        options,
        {
          onConnected: () => {},
          onConnectFailed: () => {},
          onFurtherAttempt: () => {
            further++;
            attempt.cancel();
            resolve(further);
          },
        },
      );
    });
    t.equal(await outcome, 1);
    t.equal(io.timers.size, 0);
  });
});

t.test('interleaved', (t) => {
  const a = [ip('::1', 1), ip('::2', 1), ip('::3', 1), ip('1.1.1.1', 1), ip('1.1.1.2', 1)];
  const order = (
    list: readonly AddressConfig[],
    ...rest: [('DEFAULT' | 'V4' | 'V6')?, number?]
  ): string[] =>
    interleaved(list, { firstFamily: rest[0] ?? 'DEFAULT', firstFamilyCount: rest[1] ?? 1 }).map(
      (address) => (address.kind === 'pipe' ? '' : address.address),
    );
  t.same(order(a), ['::1', '1.1.1.1', '::2', '1.1.1.2', '::3']);
  t.same(order([...a].reverse()), ['1.1.1.2', '::3', '1.1.1.1', '::2', '::1']);
  t.same(order(a, 'V4'), ['1.1.1.1', '::1', '1.1.1.2', '::2', '::3']);
  t.same(order(a, 'V6', 2), ['::1', '::2', '1.1.1.1', '::3', '1.1.1.2']);
  t.end();
});

t.test('peerHasGone', { skip: process.platform !== 'linux' }, async (t) => {
  const sockets: { destroy(): void }[] = [];
  const server = createServer((socket) => sockets.push(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const { connection } = await dialled([ip('127.0.0.1', port)]);
  await eventually('accepted', () => sockets.length === 1);
  t.equal(peerHasGone(connection!.fd), false);
  sockets[0]!.destroy();
  await eventually('its FIN is here', () => peerHasGone(connection!.fd));
  connection!.close(CloseType.NoFlush);
  t.equal(peerHasGone(-1), false);
});
