// Connections of ours over real loopback sockets, for tests of what sits on them; the other end is a raw peer.
import type { Socket } from 'node:net';
import { createServer, connect as netConnect } from 'node:net';
import type { AddressInfo } from 'node:net';

import { realTime } from '../../proxy/base/clock.ts';
import { ConnectAttempt } from '../../proxy/network/connect.ts';
import { Connection } from '../../proxy/network/connection.ts';
import { PLAIN_DIAL } from '../../proxy/network/dial-options.ts';
import { IoThread } from '../../proxy/network/io-thread.ts';
import { ListenSocket } from '../../proxy/network/listen-socket.ts';
import type { CloseEvent, ConnectionCallbacks } from '../../proxy/network/transport.ts';

interface Teardowns {
  teardown(fn: () => void | Promise<void>): void;
}

/** Writes down what a connection tells its user. */
export class Recorder implements ConnectionCallbacks {
  /** `data`, `end`, `above`, `below`, `close <event> <detail>`, in order; data events in a row count once. */
  readonly events: string[] = [];
  text = '';
  byteCount = 0;
  keep = true;
  onBytes: ((chunk: Buffer, endStream: boolean) => void) | null = null;

  onData(chunk: Buffer, endStream: boolean): void {
    this.byteCount += chunk.length;
    if (this.keep) this.text += chunk.toString('latin1');
    if (chunk.length > 0 && this.events.at(-1) !== 'data') this.events.push('data');
    if (endStream) this.events.push('end');
    this.onBytes?.(chunk, endStream);
  }
  onClose(event: CloseEvent, detail: string): void {
    this.events.push(`close ${event} ${detail}`.trimEnd());
  }
  onAboveWriteBufferHighWatermark(): void {
    this.events.push('above');
  }
  onBelowWriteBufferLowWatermark(): void {
    this.events.push('below');
  }
  get closed(): boolean {
    return this.events.some((event) => event.startsWith('close'));
  }
}

export interface Pair {
  readonly io: IoThread;
  readonly connection: Connection;
  readonly recorder: Recorder;
  /** The peer's end; paused until somebody listens for data. */
  readonly peer: Socket;
}

/** A connection that our listening socket accepted. */
export async function acceptedPair(t: Teardowns, io = new IoThread(realTime)): Promise<Pair> {
  const { promise, resolve } = Promise.withResolvers<Connection>();
  const listener = new ListenSocket(
    io,
    { kind: 'ip', address: '127.0.0.1', port: 0 },
    { backlog: 16 },
    (handle) => resolve(new Connection(io, handle)),
  );
  const peer = netConnect({ port: listener.port, host: '127.0.0.1', allowHalfOpen: true });
  peer.on('error', () => {});
  const connection = await promise;
  listener.close();
  const recorder = new Recorder();
  connection.start(recorder);
  t.teardown(() => {
    peer.destroy();
    connection.close('no_flush');
  });
  return { io, connection, recorder, peer };
}

/** A connection that we dialled. */
export async function dialledPair(t: Teardowns, io = new IoThread(realTime)): Promise<Pair> {
  const server = createServer({ allowHalfOpen: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const connection = await dial(io, (server.address() as AddressInfo).port);
  const peer = await accepted;
  peer.on('error', () => {});
  server.close();
  const recorder = new Recorder();
  connection.start(recorder);
  t.teardown(() => {
    peer.destroy();
    connection.close('no_flush');
  });
  return { io, connection, recorder, peer };
}

/** Rejects with the reason that the listener was told. */
export function dial(io: IoThread, port: number, host = '127.0.0.1'): Promise<Connection> {
  return new Promise((resolve, reject) => {
    new ConnectAttempt(io, { kind: 'ip', address: host, port }, PLAIN_DIAL, {
      onConnected: resolve,
      onConnectFailed: (reason) => reject(new Error(reason)),
    });
  });
}
