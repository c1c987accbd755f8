// An HTTP/2 server that sends the frames it is told, and remembers the frames it got.
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

import { eventually } from './eventually.ts';
import { FrameLog, PREFACE, settings, settingsAck } from './http2-frames.ts';

interface Teardowns {
  teardown(fn: () => void | Promise<void>): void;
}

export class RawHttp2Peer {
  readonly socket: Socket;
  readonly log = new FrameLog(PREFACE.length);
  ended = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.log.push(chunk));
    socket.on('end', () => (this.ended = true));
    socket.on('error', () => (this.ended = true));
    socket.on('close', () => (this.ended = true));
  }

  send(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  until(line: RegExp): Promise<void> {
    return eventually(`${String(line)} among ${this.log.lines.join(' | ')}`, () =>
      this.log.lines.some((text) => line.test(text)),
    );
  }

  /** Streams whose HEADERS came, in order. */
  get requests(): readonly number[] {
    return this.log.lines
      .filter((line) => line.startsWith('HEADERS'))
      .map((line) => Number(line.split(' ')[1]));
  }
}

export class RawHttp2Upstream {
  readonly port: number;
  readonly peers: RawHttp2Peer[] = [];

  private constructor(port: number) {
    this.port = port;
  }

  /** `first`: what each connection begins with. */
  static async start(
    t: Teardowns,
    first: readonly Buffer[] = [settings(), settingsAck()],
  ): Promise<RawHttp2Upstream> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const upstream = new RawHttp2Upstream((server.address() as AddressInfo).port);
    server.on('connection', (socket) => {
      const peer = new RawHttp2Peer(socket);
      upstream.peers.push(peer);
      peer.send(...first);
    });
    t.teardown(() => {
      for (const { socket } of upstream.peers) socket.destroy();
      server.close();
    });
    return upstream;
  }

  /** The connection with this number, once it is there. */
  async peer(index = 0): Promise<RawHttp2Peer> {
    await eventually(`connection ${index}`, () => this.peers.length > index);
    return this.peers[index]!;
  }
}
