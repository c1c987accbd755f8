// Connection and IoThread over real loopback sockets: bytes intact, watermarks in pairs, every way to end, misuse that must not reach libuv.
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';

import { realTime } from '../../../proxy/base/clock.ts';
import { ConnectAttempt } from '../../../proxy/network/connect.ts';
import { PLAIN_DIAL } from '../../../proxy/network/dial-options.ts';
import type { Connection } from '../../../proxy/network/connection.ts';
import { IoThread } from '../../../proxy/network/io-thread.ts';
import { CloseType } from '../../../proxy/network/transport.ts';
import { eventually } from '../../support/eventually.ts';
import { Recorder, acceptedPair, dial, dialledPair } from '../../support/loopback.ts';
import { privateDir } from '../../support/private-dir.ts';
import { freePort } from '../../support/free-port.ts';

/** Inside one event, as the proxy's own code always is. */
function event(io: IoThread, work: () => void): void {
  io.enter();
  work();
  io.leave();
}

const collect = (
  peer: Socket,
): { readonly chunks: Buffer[]; text: () => string; ended: () => boolean } => {
  const chunks: Buffer[] = [];
  let ended = false;
  peer.on('data', (chunk: Buffer) => chunks.push(chunk));
  peer.on('end', () => (ended = true));
  return { chunks, text: () => Buffer.concat(chunks).toString('latin1'), ended: () => ended };
};

/** Fills the kernel's buffers and ours above the mark; the peer reads nothing. */
function overfill(connection: Connection, io: IoThread): number {
  connection.bufferLimitBytes = 64 * 1024;
  const chunk = Buffer.alloc(32 * 1024, 'x');
  let written = 0;
  while (!connection.aboveHighWatermark) {
    event(io, () => connection.write(chunk));
    written += chunk.length;
  }
  return written;
}

t.test('Connection', async (t) => {
  await t.test('keeps bytes intact through a slow reader', async (t) => {
    const { io, connection, recorder, peer } = await acceptedPair(t);
    connection.bufferLimitBytes = Infinity;
    const sent = createHash('sha256');
    const got = createHash('sha256');
    let total = 0;
    for (let i = 0; i < 400; i++) {
      // Views of the shared read buffer, overwritten after the event: what libuv did not take must be our own copy.
      const size = [1, 100, 3000, 70_000][i % 4]!;
      const view = io.readBuffer.subarray(0, Math.min(size, io.readBuffer.length));
      view.fill(i & 0xff);
      event(io, () => {
        connection.writeText(`<${i}>`);
        connection.write(view);
        connection.write(Buffer.from('|'));
      });
      sent.update(`<${i}>`).update(view).update('|');
      total += `<${i}>`.length + view.length + 1;
      view.fill(0xee);
    }
    let read = 0;
    peer.on('data', (chunk: Buffer) => {
      got.update(chunk);
      read += chunk.length;
    });
    await eventually('all bytes arrive', () => read === total);
    t.equal(got.digest('hex'), sent.digest('hex'));
    t.equal(connection.bytesWritten, total);
    t.equal(connection.bufferedBytes, 0);
    t.same(recorder.events, []);
  });

  await t.test('keeps small chunks that are sent alone intact, whoever else sends', async (t) => {
    const { io, connection, peer } = await acceptedPair(t);
    const { connection: other, peer: otherPeer } = await acceptedPair(t, io);
    connection.bufferLimitBytes = Infinity;
    const sent = createHash('sha256');
    let total = 0;
    let after = 0;
    // Until libuv holds back a chunk, and for some more: views of the read buffer that the next event overwrites.
    for (let i = 0; after < 200; i++) {
      const view = io.received([1, 40, 250, 256, 506, 2047, 2048, 2049][i % 8]!);
      view.fill(i & 0xff);
      event(io, () => connection.write(view));
      sent.update(view);
      total += view.length;
      event(io, () => other.write(io.received(view.length).fill(0xee)));
      otherPeer.resume();
      if (connection.bufferedBytes > 0) after++;
      if (i % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const got = createHash('sha256');
    let read = 0;
    peer.on('data', (chunk: Buffer) => {
      got.update(chunk);
      read += chunk.length;
    });
    await eventually('all bytes arrive', () => read === total);
    t.equal(got.digest('hex'), sent.digest('hex'));
    t.equal(connection.bytesWritten, total);
    t.equal(connection.bufferedBytes, 0);
  });

  await t.test('keeps the order of text and chunks within an event', async (t) => {
    const { io, connection, peer } = await acceptedPair(t);
    const seen = collect(peer);
    const large = 'L'.repeat(3000);
    let expected = '';
    const kinds = ['text', 'small', 'large', 'own'];
    for (let order = 0; order < kinds.length ** 3; order++) {
      const chosen = [0, 1, 2].map((place) => kinds[Math.floor(order / kinds.length ** place) % 4]);
      event(io, () => {
        for (const [i, kind] of chosen.entries()) {
          const body = kind === 'large' ? large : `<${order}.${i}>`;
          if (kind === 'text') connection.writeText(body);
          else if (kind === 'own') {
            const own = Buffer.allocUnsafeSlow(body.length);
            own.write(body, 'latin1');
            connection.writeOwn(own);
          } else connection.write(Buffer.from(body));
          expected += body;
        }
      });
    }
    await eventually('all bytes', () => seen.text().length === expected.length);
    t.ok(seen.text() === expected);
  });

  await t.test('keeps what libuv still has to send, also through garbage collection', async (t) => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    for (const size of [70_000, 3_000_000]) {
      const { io, connection, peer } = await acceptedPair(t);
      connection.bufferLimitBytes = Infinity;
      let written = 0;
      while (connection.bufferedBytes === 0) {
        event(io, () => connection.write(Buffer.alloc(size, 'x')));
        written += size;
      }
      collectGarbage();
      const litter: Buffer[] = [];
      for (let i = 0; i < 50; i++) litter.push(Buffer.alloc(size, '!'));
      const seen = collect(peer);
      await eventually(
        'all bytes',
        () => seen.chunks.reduce((sum, chunk) => sum + chunk.length, 0) === written,
      );
      t.notMatch(seen.text(), /[^x]/);
      t.equal(litter.length, 50);
    }
  });

  await t.test('tells watermarks in pairs', async (t) => {
    const { io, connection, recorder, peer } = await acceptedPair(t);
    for (let round = 0; round < 3; round++) {
      const written = overfill(connection, io);
      t.ok(connection.aboveHighWatermark);
      const before = peer.bytesRead;
      peer.resume();
      await eventually(
        'drained',
        () => peer.bytesRead - before >= written && connection.bufferedBytes === 0,
      );
      t.notOk(connection.aboveHighWatermark);
      peer.pause();
    }
    t.same(recorder.events, ['above', 'below', 'above', 'below', 'above', 'below']);
  });

  await t.test('sends many small writes of one event as one packet', async (t) => {
    const { io, connection, peer } = await acceptedPair(t);
    const seen = collect(peer);
    event(io, () => {
      for (let i = 0; i < 100; i++) connection.writeText('head ');
      connection.write(Buffer.alloc(5000, 'b'));
      for (let i = 0; i < 100; i++) connection.write(Buffer.from('tail '));
    });
    await eventually('all bytes', () => seen.text().length === 6000);
    t.equal(seen.chunks.length, 1);
  });

  await t.test('flushes outside of events, too', async (t) => {
    const { connection, peer } = await acceptedPair(t);
    const seen = collect(peer);
    connection.writeText('a');
    connection.write(Buffer.from('b'));
    await eventually('bytes', () => seen.text() === 'ab');
  });

  await t.test('FlushWrite delivers everything, then closes', async (t) => {
    const { io, connection, recorder, peer } = await acceptedPair(t);
    const written = overfill(connection, io);
    connection.close(CloseType.FlushWrite);
    t.notOk(recorder.closed);
    connection.writeText('ignored');
    const seen = collect(peer);
    await eventually('end', seen.ended);
    t.equal(seen.text().length, written);
    t.same(recorder.events.at(-1), 'close local_close');
  });

  for (const type of [CloseType.FlushWrite, CloseType.FlushWriteAndDelay]) {
    await t.test(
      `${type} gives a peer that reads nothing no more than the delayed close time-out`,
      async (t) => {
        const { io, connection, recorder } = await acceptedPair(t);
        overfill(connection, io);
        connection.delayedCloseTimeoutMs = 50;
        connection.close(type);
        await eventually('closed', () => recorder.closed);
        t.equal(connection.fd, -1);
        t.equal(io.timers.size, 0);
      },
    );
  }

  await t.test('a slow but living reader gets everything, however long it takes', async (t) => {
    const { io, connection, recorder, peer } = await acceptedPair(t);
    const written = overfill(connection, io);
    // Reading takes longer than this, each pause is far shorter, also on a busy machine.
    connection.delayedCloseTimeoutMs = 1000;
    connection.close(CloseType.FlushWrite);
    let read = 0;
    let ended = false;
    peer.on('end', () => (ended = true));
    peer.on('readable', () => {});
    const timer = setInterval(() => {
      const chunk = peer.read(
        Math.min(peer.readableLength, Math.ceil(written / 24)),
      ) as Buffer | null;
      if (chunk !== null) read += chunk.length;
    }, 50);
    await eventually('end', () => ended);
    clearInterval(timer);
    t.equal(read, written);
    t.ok(recorder.closed);
  });

  await t.test('FlushWriteAndDelay sends no FIN while it waits for the peer to go', async (t) => {
    const { io, connection, recorder, peer } = await acceptedPair(t);
    connection.delayedCloseTimeoutMs = 60_000;
    const seen = collect(peer);
    event(io, () => {
      connection.writeText('bye');
      connection.close(CloseType.FlushWriteAndDelay);
    });
    await eventually('the bytes', () => seen.text() === 'bye');
    peer.write('this is for nobody');
    await new Promise((resolve) => setTimeout(resolve, 20));
    t.notOk(seen.ended());
    t.notOk(recorder.closed);
    peer.end();
    await eventually('closed', () => recorder.closed);
    t.same(recorder.events, ['close remote_close']);
    t.equal(io.timers.size, 0);
  });

  await t.test('FlushWriteAndDelay ends when its time is up, and says so', async (t) => {
    const { io, connection, recorder, peer } = await acceptedPair(t);
    connection.delayedCloseTimeoutMs = 20;
    const seen = collect(peer);
    event(io, () => {
      connection.writeText('bye');
      connection.close(CloseType.FlushWriteAndDelay);
    });
    await eventually('FIN', seen.ended);
    await eventually('closed', () => recorder.closed);
    t.same(recorder.events, ['close local_close delayed_close_timeout']);
  });

  await t.test('a FIN that comes while the last bytes wait does not cut them off', async (t) => {
    const { io, connection, recorder, peer } = await acceptedPair(t);
    const written = overfill(connection, io);
    connection.close(CloseType.FlushWriteAndDelay);
    peer.end();
    await new Promise((resolve) => setTimeout(resolve, 20));
    t.notOk(recorder.closed);
    const seen = collect(peer);
    await eventually('end', seen.ended);
    t.equal(seen.text().length, written);
    await eventually('closed', () => recorder.closed);
  });

  await t.test('Abort resets, also with bytes and a FIN under way', async (t) => {
    for (const prepare of [
      () => {},
      (connection: Connection, io: IoThread) => void overfill(connection, io),
      (connection: Connection, io: IoThread) => event(io, () => connection.endWrite()),
    ]) {
      const { io, connection, recorder, peer } = await acceptedPair(t);
      prepare(connection, io);
      connection.close(CloseType.Abort);
      t.same(recorder.events.at(-1), 'close local_close');
      t.equal(connection.fd, -1);
      const over = new Promise((resolve) => peer.once('close', resolve));
      peer.resume();
      peer.end();
      await over;
    }
  });

  await t.test('half-closes each side on its own', async (t) => {
    const { io, connection, recorder, peer } = await acceptedPair(t);
    const seen = collect(peer);
    event(io, () => {
      connection.writeText('question');
      connection.endWrite();
      connection.endWrite();
    });
    await eventually('FIN', seen.ended);
    peer.write('answer');
    await eventually('answer', () => recorder.text === 'answer');
    peer.end();
    await eventually('end', () => recorder.events.includes('end'));
    t.ok(connection.readEnded);
    t.same(recorder.events, ['data', 'end']);
  });

  await t.test('says how the peer went', async (t) => {
    const fin = await acceptedPair(t);
    fin.peer.end();
    await eventually('end', () => fin.recorder.events.includes('end'));
    const reset = await acceptedPair(t);
    reset.peer.resetAndDestroy();
    await eventually('reset', () => reset.recorder.closed);
    t.same(reset.recorder.events, ['close remote_close ECONNRESET']);
  });

  await t.test('a write into a connection that the peer reset ends it once', async (t) => {
    const { io, connection, recorder, peer } = await acceptedPair(t);
    connection.readDisable(true);
    peer.resetAndDestroy();
    await new Promise((resolve) => setTimeout(resolve, 20));
    event(io, () => connection.writeText('x'));
    await eventually('closed', () => recorder.closed);
    t.equal(recorder.events.length, 1);
    t.match(recorder.events[0], /close remote_close (EPIPE|ECONNRESET)/);
  });

  await t.test('takes every call after its end', async (t) => {
    for (const type of Object.values(CloseType)) {
      const { io, connection, recorder } = await acceptedPair(t);
      connection.delayedCloseTimeoutMs = 0;
      event(io, () => connection.close(type));
      event(io, () => {
        connection.writeText('x');
        connection.write(Buffer.alloc(100_000));
        connection.endWrite();
        connection.readDisable(true);
        connection.readDisable(false);
        connection.readDisable(false);
        connection.replay(Buffer.from('x'), true);
        connection.flush();
        connection.localName();
        connection.remoteName();
        for (const again of Object.values(CloseType)) connection.close(again);
      });
      t.same(recorder.events, ['close local_close'], type);
      t.notOk(connection.open);
    }
  });

  await t.test('may be closed from each of its callbacks', async (t) => {
    for (const type of Object.values(CloseType)) {
      const { connection, recorder, peer } = await acceptedPair(t);
      connection.delayedCloseTimeoutMs = 1;
      recorder.onBytes = () => connection.close(type);
      peer.resume();
      peer.write('x'.repeat(300_000));
      await eventually('closed', () => recorder.closed);
      const { connection: other, recorder: events, peer: far } = await acceptedPair(t);
      events.onBytes = (_chunk, end) => end && other.close(type);
      far.end();
      await eventually('closed', () => events.closed);
      t.equal(recorder.events.filter((name) => name.startsWith('close')).length, 1);
    }
  });

  await t.test('gives replayed bytes when reading is on, before those of the socket', async (t) => {
    const { connection, recorder, peer } = await acceptedPair(t);
    connection.readDisable(true);
    connection.readDisable(true);
    connection.replay(Buffer.from('first '), false);
    peer.write('second');
    connection.readDisable(false);
    t.equal(recorder.text, '');
    connection.readDisable(false);
    t.equal(recorder.text, 'first ');
    await eventually('the rest', () => recorder.text === 'first second');
  });

  await t.test('stops reading while disabled: the peer feels it', async (t) => {
    const { connection, recorder, peer } = await acceptedPair(t);
    connection.readDisable(true);
    recorder.keep = false;
    const chunk = Buffer.alloc(1 << 20);
    let sent = 0;
    while (peer.write(chunk) && sent < 64) sent++;
    await new Promise((resolve) => setTimeout(resolve, 50));
    t.equal(recorder.byteCount, 0);
    t.ok(peer.writableLength > 0 || sent < 64);
    connection.readDisable(false);
    await eventually(
      'all',
      () => recorder.byteCount === peer.bytesWritten && peer.writableLength === 0,
    );
  });
});

t.test('ConnectAttempt', async (t) => {
  const io = new IoThread(realTime);

  await t.test('connects, both ways', async (t) => {
    const { connection, recorder, peer } = await dialledPair(t);
    const seen = collect(peer);
    event(connection.io, () => connection.writeText('ping'));
    peer.write('pong');
    await eventually('both', () => seen.text() === 'ping' && recorder.text === 'pong');
    t.equal(connection.localName().address, '127.0.0.1');
  });

  await t.test('names the reason of a failure in words', async (t) => {
    const port = await freePort();
    await t.rejects(dial(io, port), { message: 'delayed connect error: Connection refused' });
    await t.rejects(dial(io, 80, '255.255.255.255'), {
      message: /connect error: (Network is unreachable|Permission denied|EACCES|Invalid argument)/,
    });
    await t.rejects(dial(io, 80, 'nonsense'), { message: /^immediate connect error/ });
  });

  await t.test('says nothing after cancel', async (t) => {
    const port = await freePort();
    let calls = 0;
    for (const host of ['127.0.0.1', 'nonsense']) {
      const listener = { onConnected: () => calls++, onConnectFailed: () => calls++ };
      const options = PLAIN_DIAL;
      const attempt = new ConnectAttempt(
        io,
        { kind: 'ip', address: host, port },
        options,
        listener,
      );
      attempt.cancel();
      attempt.cancel();
    }
    await new Promise((resolve) => setTimeout(resolve, 30));
    t.equal(calls, 0);
  });

  await t.test('dials pipes, with keep-alive and names asked for', async (t) => {
    const path = join(privateDir(t), 's');
    const server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    t.teardown(() => server.close());
    const connection = await new Promise<Connection>((resolve, reject) => {
      const options = PLAIN_DIAL;
      const listener = {
        onConnected: resolve,
        onConnectFailed: (reason: string) => reject(new Error(reason)),
      };
      new ConnectAttempt(io, { kind: 'pipe', path, mode: 0 }, options, listener);
    });
    t.same(connection.localName(), {});
    t.same(connection.remoteName(), {});
    const recorder = new Recorder();
    connection.start(recorder);
    event(io, () => connection.writeText('echo'));
    await eventually('echo', () => recorder.text === 'echo');
    connection.close(CloseType.Abort);
    t.same(recorder.events, ['data', 'close local_close']);
    await t.rejects(
      new Promise((resolve, reject) => {
        const options = PLAIN_DIAL;
        const listener = {
          onConnected: resolve,
          onConnectFailed: (reason: string) => reject(new Error(reason)),
        };
        new ConnectAttempt(io, { kind: 'pipe', path: `${path}-none`, mode: 0 }, options, listener);
      }),
      { message: /connect error: No such file or directory$/ },
    );
  });
});
