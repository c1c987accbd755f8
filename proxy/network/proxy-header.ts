// [w] The header of the PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): read and written.
import { parseIp, plainIp, printIp } from './address.ts';
import type { IpPort } from './address.ts';
import type { ProxyHeader, Tlv } from '../stream-info/proxy-facts.ts';

/** `none`: what is there is no header. `bad`: it began as one. */
export type ParsedHeader =
  | 'wait'
  | 'none'
  | { readonly bad: 1 | 2 }
  | { readonly header: ProxyHeader; readonly byteCount: number };

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';
const V1_START = 'PROXY ';
/** With the line end. */
const V1_MAX_BYTES = 107;
const V2_FIXED_BYTES = 16;
/** Envoy's limit, too: addresses and TLVs of one header. */
const V2_MAX_BYTES = 65_535;

export function parseProxyHeader(bytes: Buffer): ParsedHeader {
  const start = bytes.latin1Slice(0, Math.min(bytes.length, SIGNATURE.length));
  if (SIGNATURE.startsWith(start)) return start.length < SIGNATURE.length ? 'wait' : parseV2(bytes);
  const begin = start.slice(0, V1_START.length);
  if (!V1_START.startsWith(begin)) return 'none';
  return begin.length < V1_START.length ? 'wait' : parseV1(bytes);
}

function parseV1(bytes: Buffer): ParsedHeader {
  const end = bytes.subarray(0, V1_MAX_BYTES).indexOf('\r\n');
  if (end < 0) return bytes.length >= V1_MAX_BYTES ? 'none' : 'wait';
  const byteCount = end + 2;
  const [protocol, source, destination, sourcePort, destinationPort, more] = bytes
    .latin1Slice(V1_START.length, end)
    .split(' ');
  const local = { version: 1, source: null, destination: null, tlvs: [] } as const;
  if (protocol === 'UNKNOWN') return { header: local, byteCount };
  if ((protocol !== 'TCP4' && protocol !== 'TCP6') || more !== undefined) return { bad: 1 };
  const length = protocol === 'TCP4' ? 4 : 16;
  const from = textAddress(source, sourcePort, length);
  const to = textAddress(destination, destinationPort, length);
  if (from === null || to === null) return { bad: 1 };
  return { header: { version: 1, source: from, destination: to, tlvs: [] }, byteCount };
}

const PORT = /^[0-9]{1,5}$/;

function textAddress(
  ip: string | undefined,
  port: string | undefined,
  length: number,
): IpPort | null {
  if (ip === undefined || port === undefined || !PORT.test(port)) return null;
  const number = Number(port);
  const bytes = parseIp(ip);
  // An IPv4-mapped address is an IPv6 one here.
  if (bytes === null || number > 65_535 || (length === 4) === ip.includes(':')) return null;
  return { ip: printIp(bytes), port: number };
}

function parseV2(bytes: Buffer): ParsedHeader {
  if (bytes.length < V2_FIXED_BYTES) return 'wait';
  const versionAndCommand = bytes[12]!;
  const family = bytes[13]!;
  const length = bytes.readUInt16BE(14);
  const command = versionAndCommand & 0xf;
  if (versionAndCommand >> 4 !== 2 || command > 1) return { bad: 2 };
  const byteCount = V2_FIXED_BYTES + length;
  const local = { version: 2, source: null, destination: null, tlvs: [] } as const;
  if (command === 0) return bytes.length < byteCount ? 'wait' : { header: local, byteCount };
  // IPv4 or IPv6, whatever transport is named, as in Envoy.
  const addressFamily = family >> 4;
  if ((addressFamily !== 1 && addressFamily !== 2) || (family & 0xf) === 0) return { bad: 2 };
  const size = addressFamily === 1 ? 4 : 16;
  const addressBytes = size * 2 + 4;
  if (length < addressBytes) return { bad: 2 };
  if (bytes.length < byteCount) return 'wait';
  const at = V2_FIXED_BYTES;
  const tlvs = parseTlvs(bytes.subarray(at + addressBytes, byteCount));
  if (tlvs === null) return { bad: 2 };
  const source = binaryAddress(bytes, at, size, bytes.readUInt16BE(at + size * 2));
  const destination = binaryAddress(bytes, at + size, size, bytes.readUInt16BE(at + size * 2 + 2));
  return { header: { version: 2, source, destination, tlvs }, byteCount };
}

function binaryAddress(bytes: Buffer, at: number, size: number, port: number): IpPort {
  return { ip: plainIp(printIp(bytes.subarray(at, at + size))), port };
}

/** Null: a TLV goes beyond the end. */
function parseTlvs(bytes: Buffer): Tlv[] | null {
  const tlvs: Tlv[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + 3 > bytes.length) return null;
    const end = at + 3 + bytes.readUInt16BE(at + 1);
    if (end > bytes.length) return null;
    tlvs.push({ type: bytes[at]!, value: bytes.latin1Slice(at + 3, end) });
    at = end;
  }
  return tlvs;
}

/** Byte string. Null addresses, or two of different families: nothing is said of them. */
export function printProxyHeader({ version, source, destination, tlvs }: ProxyHeader): string {
  const from = source === null ? null : parseIp(source.ip);
  const to = destination === null ? null : parseIp(destination.ip);
  const known = from !== null && to !== null && from.length === to.length;
  if (version === 1) {
    if (!known) return 'PROXY UNKNOWN\r\n';
    const family = from.length === 4 ? 'TCP4' : 'TCP6';
    return `PROXY ${family} ${source!.ip} ${destination!.ip} ${source!.port} ${destination!.port}\r\n`;
  }
  if (!known) return `${SIGNATURE}\x20\0\0\0`;
  const addresses = text(from) + text(to) + uint16(source!.port) + uint16(destination!.port);
  let rest = '';
  for (const { type, value } of tlvs) {
    const tlv = String.fromCharCode(type) + uint16(value.length) + value;
    // As in Envoy, what does not fit is left out.
    if (addresses.length + rest.length + tlv.length <= V2_MAX_BYTES) rest += tlv;
  }
  const family = from.length === 4 ? '\x11' : '\x21';
  return `${SIGNATURE}\x21${family}${uint16(addresses.length + rest.length)}${addresses}${rest}`;
}

const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes);
const uint16 = (value: number): string => String.fromCharCode(value >> 8, value & 0xff);
