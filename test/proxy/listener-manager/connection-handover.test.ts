// Connections that change hands: who gets one learns whose it is, and what it is counted in; one that cannot be had gives its places back.
import { createServer, connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { SharedCounts, sharedCountsBuffer } from '../../../proxy/filters/shared-counts.ts';
import { ConnectionHandover } from '../../../proxy/listener-manager/connection-handover.ts';
import { libc } from '../../../proxy/network/libc.ts';
import { newTcpSocket } from '../../../proxy/network/socket-binding.ts';
import { eventually } from '../../support/eventually.ts';

t.test('ConnectionHandover', { skip: libc() === null && 'koffi is not here' }, async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const events: string[] = [];
  const receiver = (name: string) => ({
    onHanded: (listener: string, handle: { close(): void }, counted: boolean) => {
      events.push(`${name} got one of ${listener}, ${counted ? 'counted' : 'not counted'}`);
      handle.close();
    },
    onHandedLost: (listener: string) => void events.push(`${name} lost one of ${listener}`),
  });
  const buffer = sharedCountsBuffer(2);
  const counts = [0, 1].map((index) => new SharedCounts(buffer, index).of('balance'));
  const ends = ['first', 'second'].map(
    (name, index) => new ConnectionHandover(index, 2, receiver(name)),
  );
  for (const end of ends) end.open();
  t.teardown(() => {
    for (const end of ends) end.close();
  });
  const dial = async (): Promise<ReturnType<typeof newTcpSocket>> => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    t.teardown(() => socket.destroy());
    const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
    const handle = newTcpSocket();
    handle.open(libc()!.dup(fd));
    return handle;
  };
  counts[0]!.add(2);
  t.equal(ends[0]!.share({ name: 'l', counted: true }, await dial(), counts[0]!), true);
  t.equal(ends[0]!.share({ name: 'm', counted: false }, await dial(), counts[0]!), true);
  await eventually('both are there', () => events.length === 2);
  t.strictSame(events, ['second got one of l, counted', 'second got one of m, not counted']);
  t.equal(counts[1]!.total, 4, 'counted with who gets it');
  const own = await dial();
  t.equal(
    ends[0]!.share({ name: 'l', counted: true }, own, counts[0]!),
    false,
    'as many as others',
  );
  own.close();
});
