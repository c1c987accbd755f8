// A name server of a test's own on a UDP port: A and AAAA records that the test changes, failures, silence; and what was asked.
import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import { isIPv4 } from 'node:net';

const A = 1;
const AAAA = 28;
const IN = 1;
const NAME_POINTER = 0xc00c;

export type DnsRecords =
  /** Addresses of both families, with one TTL. `[]`: the name exists and has none. */
  | { readonly addresses: readonly string[]; readonly ttlS?: number }
  | 'nxdomain'
  | 'servfail'
  /** No answer at all. */
  | 'silence';

export class DnsServer {
  readonly #socket: Socket;
  readonly #records = new Map<string, DnsRecords>();
  /** `a.test A`, in the order of the queries. */
  readonly asked: string[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (message, from) => this.#answer(message, from));
  }

  static async listen(address = '127.0.0.1'): Promise<DnsServer> {
    const socket = createSocket('udp4');
    await new Promise<void>((done) => socket.bind(0, address, done));
    return new DnsServer(socket);
  }

  get port(): number {
    return (this.#socket.address() as AddressInfo).port;
  }

  /** Names that were never set do not exist. */
  set(name: string, records: DnsRecords): void {
    this.#records.set(name.toLowerCase(), records);
  }

  close(): void {
    this.#socket.close();
  }

  #answer(query: Buffer, from: RemoteInfo): void {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at]!; length > 0; length = query[at]!) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const name = labels.join('.').toLowerCase();
    const type = query.readUInt16BE(at + 1);
    this.asked.push(`${name} ${type === A ? 'A' : type === AAAA ? 'AAAA' : type}`);
    const records = this.#records.get(name) ?? 'nxdomain';
    if (records === 'silence') return;
    const found = typeof records === 'string' ? [] : answersOf(records, type);
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    const code = records === 'nxdomain' ? 3 : records === 'servfail' ? 2 : 0;
    header.writeUInt16BE(0x8180 | code, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(found.length, 6);
    this.#socket.send(
      Buffer.concat([header, query.subarray(12, at + 5), ...found]),
      from.port,
      from.address,
    );
  }
}

function answersOf(
  { addresses, ttlS = 60 }: Extract<DnsRecords, object>,
  type: number,
): readonly Buffer[] {
  return addresses
    .filter((address) => isIPv4(address) === (type === A))
    .map((address) => {
      const bytes = isIPv4(address) ? Buffer.from(address.split('.').map(Number)) : ipv6(address);
      const record = Buffer.alloc(12);
      record.writeUInt16BE(NAME_POINTER, 0);
      record.writeUInt16BE(type, 2);
      record.writeUInt16BE(IN, 4);
      record.writeUInt32BE(ttlS, 6);
      record.writeUInt16BE(bytes.length, 10);
      return Buffer.concat([record, bytes]);
    });
}

function ipv6(address: string): Buffer {
  const [head = '', tail = ''] = address.split('::');
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const left = groups(head);
  const right = groups(tail);
  const all = [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
  const bytes = Buffer.alloc(16);
  all.forEach((group, i) => bytes.writeUInt16BE(group, i * 2));
  return bytes;
}
