// Peers that speak bytes, not HTTP: a client that sends what it is told, an upstream that answers what it is told and remembers what it got.
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

import { eventually } from './eventually.ts';

interface Teardowns {
  teardown(fn: () => void | Promise<void>): void;
}

/** How a socket ended: the peer's FIN, its RST, or not yet. */
export type Ending = 'open' | 'fin' | 'reset';

/** One end of a TCP connection; latin1 text for bytes. */
export class RawPeer {
  readonly socket: Socket;
  ending: Ending = 'open';
  byteCount = 0;
  /** Off for transfers too large to keep. */
  keep = true;
  #received = '';

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.byteCount += chunk.length;
      if (this.keep) this.#received += chunk.toString('latin1');
    });
    socket.on('end', () => {
      if (this.ending === 'open') this.ending = 'fin';
    });
    socket.on('error', () => {
      if (this.ending === 'open') this.ending = 'reset';
    });
  }

  static async connect(port: number, host = '127.0.0.1'): Promise<RawPeer> {
    const socket = connect({ port, host, allowHalfOpen: true });
    socket.setNoDelay(true);
    const peer = new RawPeer(socket);
    await new Promise<void>((resolve, reject) =>
      socket.once('connect', resolve).once('error', reject),
    );
    return peer;
  }

  get text(): string {
    return this.#received;
  }

  send(text: string): void {
    this.socket.write(Buffer.from(text, 'latin1'));
  }

  /** Each part in a packet of its own, as far as the kernels play along. */
  async sendInParts(parts: readonly string[]): Promise<void> {
    for (const part of parts) {
      if (this.ending !== 'open' || this.socket.destroyed) return;
      this.send(part);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** What was received and not taken yet, once it holds `end`. */
  async take(end: string | RegExp): Promise<string> {
    await this.until(
      `received ${String(end)}, has ${JSON.stringify(this.#received.slice(-200))}`,
      () => (typeof end === 'string' ? this.#received.includes(end) : end.test(this.#received)),
    );
    const taken = this.#received;
    this.#received = '';
    return taken;
  }

  until(what: string, condition: () => boolean): Promise<void> {
    return eventually(what, condition);
  }

  /** Until the peer ended its side. */
  async ended(): Promise<Ending> {
    await eventually(
      `the peer ends the connection, received ${JSON.stringify(this.#received.slice(-300))}`,
      () => this.ending !== 'open',
    );
    return this.ending;
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Sends everything, half-closes nothing, and gives what came back until the end. */
export async function exchange(
  port: number,
  parts: readonly string[],
): Promise<{ readonly text: string; readonly ending: Ending }> {
  const peer = await RawPeer.connect(port);
  try {
    await peer.sendInParts(parts);
    const ending = await peer.ended();
    return { text: peer.text, ending };
  } finally {
    peer.close();
  }
}

export type UpstreamScript = (connection: RawPeer, upstream: RawUpstream) => void;

export class RawUpstream {
  readonly port: number;
  readonly connections: RawPeer[] = [];
  script: UpstreamScript;

  constructor(port: number, script: UpstreamScript) {
    this.port = port;
    this.script = script;
  }

  /** `script` is called once per connection. */
  static async start(
    t: Teardowns,
    script: UpstreamScript,
    host = '127.0.0.1',
  ): Promise<RawUpstream> {
    const server = createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    const upstream = new RawUpstream((server.address() as AddressInfo).port, script);
    server.on('connection', (socket) => {
      socket.setNoDelay(true);
      const peer = new RawPeer(socket);
      upstream.connections.push(peer);
      upstream.script(peer, upstream);
    });
    t.teardown(() => {
      server.close();
      for (const connection of upstream.connections) connection.close();
    });
    return upstream;
  }

  /** All bytes received on all connections. */
  get text(): string {
    return this.connections.map((connection) => connection.text).join('');
  }

  forget(): void {
    for (const connection of this.connections.splice(0)) connection.close();
  }
}

/** Answers every head (`…\r\n\r\n`) with the same bytes; bodies are not looked at. */
export const answerEach =
  (answer: string | ((head: string, count: number) => string | null)): UpstreamScript =>
  (connection) => {
    let rest = '';
    let count = 0;
    connection.socket.on('data', (chunk: Buffer) => {
      rest += chunk.toString('latin1');
      for (let end = rest.indexOf('\r\n\r\n'); end >= 0; end = rest.indexOf('\r\n\r\n')) {
        const head = rest.slice(0, end + 4);
        rest = rest.slice(end + 4);
        if (!/(?:GET|HEAD|POST) \S+ HTTP\/1/.test(head)) continue;
        const text = typeof answer === 'string' ? answer : answer(head, ++count);
        if (text !== null) connection.send(text);
      }
    });
  };
