// HTTP/2 frames as bytes, and bytes as lines of text: for peers that break rules on purpose. Header blocks are written as
// plain literals, and read by the decoder that RFC 7541's vectors test.
import { HpackDecoder } from '../../proxy/http/http2/hpack-decoder.ts';

export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
export const PADDED = 8;
export const PRIORITY = 0x20;

export type Lines = readonly (readonly [name: string, value: string])[];

const latin1 = (text: string | Buffer): Buffer =>
  typeof text === 'string' ? Buffer.from(text, 'latin1') : text;

/** One frame; `length` lies about the payload's size. */
// oxlint-disable-next-line eslint/max-params -- the fields of a frame's head, in their order
export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: string | Buffer = '',
  length = latin1(payload).length,
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, latin1(payload)]);
}

export const word = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
};

function integer(prefix: number, bits: number, value: number): number[] {
  if (value < prefix) return [bits | value];
  const bytes = [bits | prefix];
  let rest = value - prefix;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}

/** Literals without indexing, nothing packed. */
export function block(lines: Lines): Buffer {
  return Buffer.concat(
    lines.flatMap(([name, value]) => [
      Buffer.from([0, ...integer(127, 0, name.length)]),
      latin1(name),
      Buffer.from(integer(127, 0, value.length)),
      latin1(value),
    ]),
  );
}

export const GET: Lines = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'h'],
];
export const POST: Lines = [[':method', 'POST'], ...GET.slice(1)];

export const headers = (
  streamId: number,
  lines: Lines | Buffer,
  flags = END_STREAM | END_HEADERS,
): Buffer => frame(1, flags, streamId, Buffer.isBuffer(lines) ? lines : block(lines));
export const continuation = (streamId: number, payload: Buffer, flags = END_HEADERS): Buffer =>
  frame(9, flags, streamId, payload);
export const data = (streamId: number, payload: string | Buffer, flags = 0): Buffer =>
  frame(0, flags, streamId, payload);
export const settings = (...pairs: readonly number[]): Buffer => {
  const payload = Buffer.alloc((pairs.length / 2) * 6);
  for (let i = 0; i < pairs.length; i += 2) {
    payload.writeUInt16BE(pairs[i]!, i * 3);
    payload.writeUInt32BE(pairs[i + 1]!, i * 3 + 2);
  }
  return frame(4, 0, 0, payload);
};
export const settingsAck = (): Buffer => frame(4, ACK, 0);
export const ping = (text = '12345678', flags = 0): Buffer => frame(6, flags, 0, text);
export const reset = (streamId: number, code = 8): Buffer => frame(3, 0, streamId, word(code));
export const windowUpdate = (streamId: number, increment: number): Buffer =>
  frame(8, 0, streamId, word(increment));
export const goAway = (lastStreamId: number, code = 0): Buffer =>
  frame(7, 0, 0, Buffer.concat([word(lastStreamId), word(code)]));
export const priority = (streamId: number, dependency = 0): Buffer =>
  frame(2, 0, streamId, Buffer.concat([word(dependency), Buffer.from([16])]));

const ERRORS =
  'NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED FRAME_SIZE_ERROR REFUSED_STREAM CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM INADEQUATE_SECURITY HTTP_1_1_REQUIRED'.split(
    ' ',
  );

/** Takes bytes as they come; `lines` has one line a frame. */
export class FrameLog {
  readonly lines: string[] = [];
  readonly #hpack = new HpackDecoder(4096);
  #bytes = Buffer.alloc(0);
  /** A client's bytes begin with the preface. */
  #skip: number;

  constructor(skip = 0) {
    this.#skip = skip;
  }

  push(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (this.#skip > 0 && this.#bytes.length >= this.#skip) {
      this.#bytes = this.#bytes.subarray(this.#skip);
      this.#skip = 0;
    }
    while (this.#skip === 0 && this.#bytes.length >= 9) {
      const length = this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.length < 9 + length) return;
      const payload = Buffer.from(this.#bytes.subarray(9, 9 + length));
      this.lines.push(
        this.#line(this.#bytes[3]!, this.#bytes[4]!, this.#bytes.readUInt32BE(5), payload),
      );
      this.#bytes = this.#bytes.subarray(9 + length);
    }
  }

  /** Without SETTINGS, their acknowledgement and the first WINDOW_UPDATE. */
  get answers(): readonly string[] {
    return this.lines.filter(
      (line) => !line.startsWith('SETTINGS') && !line.startsWith('WINDOW 0'),
    );
  }

  #line(type: number, flags: number, streamId: number, payload: Buffer): string {
    const end = (flags & END_STREAM) !== 0 ? ' end' : '';
    switch (type) {
      case 0:
        return `DATA ${streamId} ${payload.length}${end}`;
      case 1:
        return `HEADERS ${streamId} ${this.#header(payload)}${end}`;
      case 3:
        return `RST ${streamId} ${ERRORS[payload.readUInt32BE()]}`;
      case 4:
        return (flags & ACK) !== 0 ? 'SETTINGS ack' : `SETTINGS ${settingsText(payload)}`;
      case 6:
        return `PING${(flags & ACK) !== 0 ? ' ack' : ''} ${payload.toString('latin1')}`;
      case 7:
        return `GOAWAY ${payload.readUInt32BE()} ${ERRORS[payload.readUInt32BE(4)]}`;
      case 8:
        return `WINDOW ${streamId} ${payload.readUInt32BE()}`;
      default:
        return `FRAME ${type} ${streamId} ${payload.length}`;
    }
  }

  #header(payload: Buffer): string {
    const found: string[] = [];
    const fine = this.#hpack.decode(payload, 0, payload.length, {
      onHeader: (name, value) => void found.push(`${name.text}=${value}`),
    });
    return fine ? found.join(' ') : 'undecodable';
  }
}

function settingsText(payload: Buffer): string {
  const found: string[] = [];
  for (let at = 0; at < payload.length; at += 6)
    found.push(`${payload.readUInt16BE(at)}=${payload.readUInt32BE(at + 2)}`);
  return found.join(' ');
}
