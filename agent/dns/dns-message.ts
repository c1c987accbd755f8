// [m] DNS messages as the proxy reads and writes them (RFC 1035 §4). dns-packet decodes queries; answers are written here, because
// that package does not compress names, and a service with many addresses would pass what a UDP answer may have.
import { decode } from 'dns-packet';

export const RCODE = { noError: 0, formErr: 1, servFail: 2, notImp: 4, refused: 5 } as const;

export interface DnsQuery {
  readonly id: number;
  /** In lower case, without the last dot. */
  readonly name: string;
  /** `A`, `AAAA`, `PTR`, `UNKNOWN_65` … */
  readonly type: string;
  /** Of class IN, an ordinary query, and for a name of ASCII: bytes of others are not what the decoder makes of them. */
  readonly ordinary: boolean;
  /** The question's bytes as they came: clients compare the case of its letters. */
  readonly question: Buffer;
  readonly recursionDesired: boolean;
  /** The client speaks EDNS (RFC 6891). */
  readonly edns: boolean;
  /** Bytes a UDP answer may have. */
  readonly udpBytes: number;
}

export interface DnsAnswer {
  readonly alias: string | undefined;
  readonly addresses: readonly Buffer[];
}

export const HEAD_BYTES = 12;
const MIN_UDP_BYTES = 512;
const MAX_UDP_BYTES = 4096;
const OPCODE_MASK = 0x7800;
const QR = 0x8000;
const AA = 0x0400;
const TC = 0x0200;
const RD = 0x0100;
const RA = 0x0080;
const TTL_SECONDS = 30;
const TYPE_CNAME = 5;
const TYPE_OPT = 41;
const CLASS_IN = 1;
const POINTER = 0xc000;
const RECORD_HEAD_BYTES = 12;
const OPT_BYTES = 11;
const ASCII = /^[!-~]*$/;

/** Null: no query, or one that nobody could answer; it deserves FORMERR when it has an id, else nothing. */
export function readQuery(message: Buffer): DnsQuery | null {
  if (message.length < HEAD_BYTES || message.readUInt16BE(4) !== 1) return null;
  let packet;
  try {
    packet = decode(message);
  } catch {
    return null;
  }
  const question = packet.questions?.[0];
  if (packet.flag_qr || question === undefined) return null;
  const opt = packet.additionals?.find((record) => record.type === 'OPT');
  const asked = opt !== undefined && 'udpPayloadSize' in opt ? opt.udpPayloadSize : MIN_UDP_BYTES;
  return {
    id: message.readUInt16BE(0),
    name: question.name.toLowerCase(),
    type: question.type,
    ordinary:
      (message.readUInt16BE(2) & OPCODE_MASK) === 0 &&
      question.class === 'IN' &&
      ASCII.test(question.name),
    question: message.subarray(HEAD_BYTES, endOfQuestion(message)),
    recursionDesired: packet.flag_rd,
    edns: opt !== undefined,
    udpBytes: Math.min(MAX_UDP_BYTES, Math.max(MIN_UDP_BYTES, asked)),
  };
}

/** Checked by the decoder before: labels end within the message. */
function endOfQuestion(message: Buffer): number {
  let at = HEAD_BYTES;
  while (message[at] !== 0 && (message[at]! & 0xc0) === 0) at += 1 + message[at]!;
  return at + (message[at] === 0 ? 1 : 2) + 4;
}

/** An answer without records. */
export function writeStatus(query: DnsQuery, rcode: number): Buffer {
  const reply = Buffer.alloc(HEAD_BYTES + query.question.length + (query.edns ? OPT_BYTES : 0));
  writeHead(reply, query, QR | RA | rcode);
  query.question.copy(reply, HEAD_BYTES);
  if (query.edns) writeOpt(reply, HEAD_BYTES + query.question.length);
  return reply;
}

/** Authoritative. `maxBytes`: records that do not fit are left out, and the answer says that it is cut. */
export function writeAnswer(query: DnsQuery, answer: DnsAnswer, maxBytes: number): Buffer {
  const reply = Buffer.alloc(Math.min(maxBytes, sizeOf(query, answer)));
  const room = reply.length - (query.edns ? OPT_BYTES : 0);
  query.question.copy(reply, HEAD_BYTES);
  let at = HEAD_BYTES + query.question.length;
  let owner = POINTER | HEAD_BYTES;
  const records: { readonly type: number; readonly data: Buffer }[] = [];
  if (answer.alias !== undefined)
    records.push({ type: TYPE_CNAME, data: encodeName(answer.alias) });
  const type = query.type === 'A' ? 1 : 28;
  for (const data of answer.addresses) records.push({ type, data });
  let count = 0;
  for (const record of records) {
    if (at + RECORD_HEAD_BYTES + record.data.length > room) break;
    const end = writeRecord(reply, at, { owner, ...record });
    if (record.type === TYPE_CNAME) owner = POINTER | (at + RECORD_HEAD_BYTES);
    at = end;
    count++;
  }
  const cut = count < records.length;
  writeHead(reply, query, QR | AA | RA | (cut ? TC : 0));
  reply.writeUInt16BE(count, 6);
  if (query.edns) at = writeOpt(reply, at);
  return reply.subarray(0, at);
}

function sizeOf(query: DnsQuery, { alias, addresses }: DnsAnswer): number {
  const fixed = HEAD_BYTES + query.question.length + (query.edns ? OPT_BYTES : 0);
  const aliasBytes = alias === undefined ? 0 : RECORD_HEAD_BYTES + alias.length + 2;
  return addresses.reduce(
    (sum, { length }) => sum + RECORD_HEAD_BYTES + length,
    fixed + aliasBytes,
  );
}

function writeHead(reply: Buffer, query: DnsQuery, flags: number): void {
  reply.writeUInt16BE(query.id, 0);
  reply.writeUInt16BE(flags | (query.recursionDesired ? RD : 0), 2);
  reply.writeUInt16BE(1, 4);
  reply.writeUInt16BE(query.edns ? 1 : 0, 10);
}

function writeRecord(
  reply: Buffer,
  start: number,
  record: { readonly owner: number; readonly type: number; readonly data: Buffer },
): number {
  let at = reply.writeUInt16BE(record.owner, start);
  at = reply.writeUInt16BE(record.type, at);
  at = reply.writeUInt16BE(CLASS_IN, at);
  at = reply.writeUInt32BE(TTL_SECONDS, at);
  at = reply.writeUInt16BE(record.data.length, at);
  return at + record.data.copy(reply, at);
}

function writeOpt(reply: Buffer, start: number): number {
  let at = reply.writeUInt8(0, start);
  at = reply.writeUInt16BE(TYPE_OPT, at);
  at = reply.writeUInt16BE(MAX_UDP_BYTES, at);
  return reply.writeUInt32BE(0, at) + 2;
}

/** The name was in a query: its labels have the right lengths. */
function encodeName(name: string): Buffer {
  const parts = name.split('.').map((label) => {
    const text = Buffer.from(label);
    return Buffer.concat([Buffer.from([text.length]), text]);
  });
  return Buffer.concat([...parts, Buffer.from([0])]);
}

/** Bytes of an IPv4 or IPv6 address. */
export function addressBytes(ip: string): Buffer {
  if (!ip.includes(':')) return Buffer.from(ip.split('.').map(Number));
  const v4 = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(ip);
  const text = v4 === null ? ip : `${v4[1]}${hexPair(v4[2]!, v4[3]!)}:${hexPair(v4[4]!, v4[5]!)}`;
  const [head, tail] = text.split('::');
  const groups = (part: string | undefined): number[] =>
    part === undefined || part === '' ? [] : part.split(':').map((group) => Number(`0x${group}`));
  const left = groups(head);
  const right = groups(tail);
  const bytes = Buffer.alloc(16);
  left.forEach((group, i) => bytes.writeUInt16BE(group, i * 2));
  right.forEach((group, i) => bytes.writeUInt16BE(group, 16 - (right.length - i) * 2));
  return bytes;
}

const hexPair = (a: string, b: string): string => (Number(a) * 256 + Number(b)).toString(16);
