// [m] Forwarder: queries that are not for the mesh go to the pod's own name servers, over what they came by, one server after the
// other in random order or all at once (DNS_FORWARD_PARALLEL). A datagram may get lost and is sent again; a server that fails or
// refuses is asked no more, and what it said counts only where no other knows better. Answers come back as they are.
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';

import type { TimeSource } from '../../proxy/base/clock.ts';
import type { RandomSource } from '../../proxy/base/random.ts';
import { HEAD_BYTES, RCODE } from './dns-message.ts';

export interface NameServer {
  readonly address: string;
  readonly port: number;
}

export interface ForwarderParts {
  readonly servers: readonly NameServer[];
  readonly parallel: boolean;
  /** For one server. */
  readonly timeoutMs: number;
  readonly time: TimeSource;
  readonly random: RandomSource;
  readonly onSent: () => void;
  /** `undefined`: it failed. */
  readonly onDone: (tookMs: number | undefined) => void;
}

export type Transport = 'udp' | 'tcp';
/** Null: no server answered. */
export type ForwardCallback = (answer: Buffer | null) => void;

/** More at once would be somebody's flood: those above get SERVFAIL at once. */
const MAX_IN_FLIGHT = 1024;
const LENGTH_BYTES = 2;
/** Of the time for one server: when a query over UDP without an answer is sent again. */
const RESEND_AT = [0.2, 0.5];
/** What another server may not say; resolvers go on to the next server at these, too. */
const GIVEN_UP: ReadonlySet<number> = new Set([RCODE.servFail, RCODE.notImp, RCODE.refused]);

export class Forwarder {
  readonly #parts: ForwarderParts;
  #inFlight = 0;

  constructor(parts: ForwarderParts) {
    this.#parts = parts;
  }

  /** Calls back once. */
  forward(query: Buffer, transport: Transport, callback: ForwardCallback): void {
    const servers = shuffled(this.#parts.servers, this.#parts.random);
    if (servers.length === 0 || this.#inFlight >= MAX_IN_FLIGHT) {
      callback(null);
      return;
    }
    this.#inFlight++;
    const done: ForwardCallback = (answer) => {
      this.#inFlight--;
      callback(answer);
    };
    if (this.#parts.parallel) this.#askAll(servers, query, transport, done);
    else this.#askInTurn(servers, query, transport, done);
  }

  #askInTurn(
    servers: readonly NameServer[],
    query: Buffer,
    transport: Transport,
    done: ForwardCallback,
  ): void {
    let failed: Buffer | null = null;
    const askFrom = (index: number): void => {
      const server = servers[index];
      if (server === undefined) {
        done(failed);
        return;
      }
      this.#ask(server, query, transport, (answer) => {
        if (isUseful(answer)) done(answer);
        else {
          failed ??= answer;
          askFrom(index + 1);
        }
      });
    };
    askFrom(0);
  }

  #askAll(
    servers: readonly NameServer[],
    query: Buffer,
    transport: Transport,
    done: ForwardCallback,
  ): void {
    let waiting = servers.length;
    let failed: Buffer | null = null;
    let over = false;
    for (const server of servers) {
      this.#ask(server, query, transport, (answer) => {
        waiting--;
        if (over) return;
        if (!isUseful(answer)) {
          failed ??= answer;
          if (waiting > 0) return;
        }
        over = true;
        done(isUseful(answer) ? answer : failed);
      });
    }
  }

  #ask(server: NameServer, query: Buffer, transport: Transport, done: ForwardCallback): void {
    const { time, timeoutMs, onSent, onDone } = this.#parts;
    const startMs = time.monotonicMs();
    let close = (): void => {};
    let over = false;
    const finish: ForwardCallback = (answer) => {
      if (over) return;
      over = true;
      timer.cancel();
      close();
      onDone(answer === null ? undefined : time.monotonicMs() - startMs);
      done(answer);
    };
    const timer = time.setTimer(() => finish(null), timeoutMs);
    onSent();
    if (transport === 'tcp') {
      close = askOverTcp(server, query, finish);
      return;
    }
    const asked = askOverUdp(server, query, finish);
    const resends = RESEND_AT.map((part) => time.setTimer(() => asked.again(), part * timeoutMs));
    close = () => {
      for (const resend of resends) resend.cancel();
      asked.close();
    };
  }
}

/** The kernel gives each query a port of its own; a connected socket hears nobody else. */
function askOverUdp(
  { address, port }: NameServer,
  query: Buffer,
  done: ForwardCallback,
): { again(): void; close(): void } {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  let closed = false;
  let connected = false;
  socket.on('error', () => done(null));
  socket.on('message', (answer) => {
    if (answersTo(query, answer)) done(answer);
  });
  // Called with an error, too, where there is no way to that address.
  socket.connect(port, address, (error?: Error) => {
    if (closed) return;
    if (error !== undefined) {
      done(null);
      return;
    }
    connected = true;
    socket.send(query);
  });
  return {
    again: () => {
      if (connected) socket.send(query);
    },
    close: () => {
      closed = true;
      connected = false;
      socket.close();
    },
  };
}

function askOverTcp(
  { address, port }: NameServer,
  query: Buffer,
  done: ForwardCallback,
): () => void {
  const socket = connect(port, address);
  let received = Buffer.alloc(0);
  socket.on('error', () => done(null));
  socket.on('close', () => done(null));
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (received.length < LENGTH_BYTES) return;
    const end = LENGTH_BYTES + received.readUInt16BE(0);
    if (received.length < end) return;
    const answer = received.subarray(LENGTH_BYTES, end);
    done(answersTo(query, answer) ? answer : null);
  });
  socket.write(withLength(query));
  return () => socket.destroy();
}

export function withLength(message: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(LENGTH_BYTES + message.length);
  framed.writeUInt16BE(message.length, 0);
  message.copy(framed, LENGTH_BYTES);
  return framed;
}

const answersTo = (query: Buffer, answer: Buffer): boolean =>
  answer.length >= HEAD_BYTES &&
  answer.readUInt16BE(0) === query.readUInt16BE(0) &&
  (answer[2]! & 0x80) !== 0;

const isUseful = (answer: Buffer | null): boolean =>
  answer !== null && !GIVEN_UP.has(answer[3]! & 0x0f);

export function shuffled<T>(list: readonly T[], random: RandomSource): T[] {
  const copy = [...list];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = random.nextUint32() % (i + 1);
    [copy[i], copy[j]] = [copy[j]!, copy[i]!];
  }
  return copy;
}
