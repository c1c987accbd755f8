// [m] DnsServer: the pod's name server on 15053, UDP and TCP (istio-contract §6.10): hosts of the mesh from the name table, everything
// else from the servers of resolv.conf. Istio: pkg/dns/client/dns.go.
import { createSocket } from 'node:dgram';
import type { Socket as UdpSocket } from 'node:dgram';
import { createServer, isIPv6 } from 'node:net';
import type { Server, Socket } from 'node:net';

import type { Closable } from '../../proxy/base/lifetime.ts';
import type { Logger } from '../../proxy/base/logger.ts';
import type { RandomSource } from '../../proxy/base/random.ts';
import {
  HEAD_BYTES,
  RCODE,
  addressBytes,
  readQuery,
  writeAnswer,
  writeStatus,
} from './dns-message.ts';
import type { DnsQuery } from './dns-message.ts';
import { shuffled, withLength } from './forwarder.ts';
import type { Forwarder, Transport } from './forwarder.ts';
import type { KnownName, NameTable } from './name-table.ts';

export interface DnsServerParts {
  readonly forwarder: Forwarder;
  /** Undefined: none came yet. */
  readonly table: () => NameTable | undefined;
  /** Before the first table names are asked of the pod's servers instead of failing (port 53, on machines). */
  readonly answersEarly: boolean;
  readonly random: RandomSource;
  readonly logger: Logger;
  readonly onRequest: () => void;
}

const MAX_TCP_CONNECTIONS = 128;
const TCP_IDLE_MS = 8000;
const LENGTH_BYTES = 2;
/** What TCP can say. */
const MAX_TCP_BYTES = 65_535;

export class DnsServer implements Closable {
  readonly #parts: DnsServerParts;
  readonly #udp: UdpSocket[] = [];
  readonly #tcp: Server[] = [];
  readonly #connections = new Set<Socket>();
  #closed = false;

  constructor(parts: DnsServerParts) {
    this.#parts = parts;
  }

  /** UDP and TCP on the same port of each address; port 0 takes a free one, which is what it resolves with. */
  async listen(addresses: readonly string[], port: number): Promise<number> {
    let chosen = port;
    for (const address of addresses) {
      chosen = await this.#listenTcp(address, chosen);
      await this.#listenUdp(address, chosen);
      this.#parts.logger.info(`DNS proxy on ${address} port ${chosen}, UDP and TCP`);
    }
    return chosen;
  }

  close(): void {
    this.#closed = true;
    for (const socket of this.#udp) socket.close();
    for (const server of this.#tcp) server.close();
    for (const connection of this.#connections) connection.destroy();
  }

  async #listenUdp(address: string, port: number): Promise<void> {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(port, address, resolve);
    });
    socket.removeAllListeners('error');
    socket.on('error', (error) => this.#parts.logger.warn(`DNS over UDP: ${error.message}`));
    socket.on('message', (message, from) => {
      this.#answer(message, 'udp', (reply) => {
        // Nothing can be sent to port 0, wherever that came from.
        if (!this.#closed && reply !== null && from.port > 0)
          socket.send(reply, from.port, from.address);
      });
    });
    this.#udp.push(socket);
  }

  async #listenTcp(address: string, port: number): Promise<number> {
    const server = createServer((connection) => this.#onConnection(connection));
    server.maxConnections = MAX_TCP_CONNECTIONS;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, address, resolve);
    });
    server.removeAllListeners('error');
    server.on('error', (error) => this.#parts.logger.warn(`DNS over TCP: ${error.message}`));
    this.#tcp.push(server);
    const bound = server.address();
    return bound !== null && typeof bound === 'object' ? bound.port : port;
  }

  /** One query at a time is worked on; what a client sends meanwhile stays in its socket (RFC 7766 §6.2.1.1 allows more). */
  #onConnection(connection: Socket): void {
    this.#connections.add(connection);
    let received = Buffer.alloc(0);
    // What came is worked on in a loop, not from within each answer: thousands of queries fit into a chunk.
    let busy = false;
    const onReply = (reply: Buffer | null): void => {
      if (connection.destroyed) return;
      if (reply === null) connection.destroy();
      // Who does not read its answers gets no further ones.
      else busy = !connection.write(withLength(reply));
    };
    const work = (): void => {
      while (!busy && !connection.destroyed && received.length >= LENGTH_BYTES) {
        const end = LENGTH_BYTES + received.readUInt16BE(0);
        if (received.length < end) break;
        const message = Buffer.from(received.subarray(LENGTH_BYTES, end));
        received = received.subarray(end);
        busy = true;
        let within = true;
        this.#answer(message, 'tcp', (reply) => {
          onReply(reply);
          if (!within) work();
        });
        within = false;
      }
      if (busy) connection.pause();
      else connection.resume();
    };
    connection.on('drain', () => {
      busy = false;
      work();
    });
    connection.setTimeout(TCP_IDLE_MS, () => connection.destroy());
    connection.on('error', () => connection.destroy());
    connection.on('close', () => this.#connections.delete(connection));
    connection.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      work();
    });
  }

  /** `reply` null: there is nothing to say. */
  #answer(message: Buffer, transport: Transport, reply: (bytes: Buffer | null) => void): void {
    const { onRequest, table, answersEarly } = this.#parts;
    onRequest();
    const query = readQuery(message);
    if (query === null) {
      reply(formErr(message));
      return;
    }
    const names = table();
    if (names === undefined && !answersEarly) {
      reply(writeStatus(query, RCODE.servFail));
      return;
    }
    const mapped = query.ordinary && (query.type === 'A' || query.type === 'AAAA');
    const known = mapped ? names?.find(query.name) : undefined;
    if (known !== undefined) reply(this.#fromTable(query, known, transport));
    else
      this.#parts.forwarder.forward(message, transport, (answer) =>
        reply(answer ?? writeStatus(query, RCODE.servFail)),
      );
  }

  #fromTable(query: DnsQuery, known: KnownName, transport: Transport): Buffer {
    const ips = query.type === 'A' ? known.v4 : known.v6;
    const addresses = shuffled(ips, this.#parts.random).map(addressBytes);
    // A name without an address of that family exists, and has none.
    const alias = addresses.length === 0 ? undefined : known.alias;
    const maxBytes = transport === 'udp' ? query.udpBytes : MAX_TCP_BYTES;
    return writeAnswer(query, { alias, addresses }, maxBytes);
  }
}

/** Nothing for what may be an answer: two servers must not talk to each other for ever. */
function formErr(message: Buffer): Buffer | null {
  if (message.length < HEAD_BYTES || (message[2]! & 0x80) !== 0) return null;
  const reply = Buffer.alloc(HEAD_BYTES);
  message.copy(reply, 0, 0, 2);
  reply[2] = 0x80;
  reply[3] = RCODE.formErr;
  return reply;
}
