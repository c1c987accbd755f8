// [m] ConnectionBound: who makes room for whom.
import { Socket } from 'node:net';
import t from 'tap';

import { ConnectionBound } from '../../../agent/status/connection-bound.ts';

t.test('ConnectionBound', (t) => {
  const bound = new ConnectionBound(3);
  const sockets = Array.from({ length: 7 }, () => new Socket());
  const gone = (): number[] =>
    sockets.flatMap(({ destroyed }, index) => (destroyed ? [index] : []));
  for (const socket of sockets.slice(0, 3)) bound.add(socket);
  t.strictSame(gone(), []);

  bound.asks(sockets[0]!);
  bound.add(sockets[3]!);
  t.strictSame(gone(), [1], 'the oldest that waits for no answer');

  bound.answered(sockets[0]!);
  bound.asks(sockets[2]!);
  bound.add(sockets[4]!);
  t.strictSame(gone(), [1, 3], 'who just had an answer is not the oldest');

  bound.asks(sockets[0]!);
  bound.asks(sockets[4]!);
  bound.add(sockets[5]!);
  t.strictSame(gone(), [1, 2, 3], 'where all wait, who has waited longest');

  bound.asks(new Socket());
  bound.answered(sockets[1]!);
  sockets[0]!.destroy();
  sockets[0]!.once('close', () => {
    bound.add(sockets[6]!);
    t.strictSame(gone(), [0, 1, 2, 3], 'who has left has made room');
    t.end();
  });
});
