// [w] Messages to header blocks: pseudo headers and lines by HPACK, in one frame where they fit, else with
// CONTINUATION frames behind it (RFC 9113 §4.3).
import { RequestHeaders, ResponseHeaders } from '../header-map.ts';
import type { HeaderMap } from '../header-map.ts';
import type { FrameWriter } from './frame-writer.ts';
import { BLOCK_OVERHEAD, blockBound } from './hpack-encoder.ts';
import type { HpackEncoder } from './hpack-encoder.ts';
import { Pseudo } from './hpack-static-table.ts';
import { FRAME_HEAD_BYTES, Flag, FrameType, MAX_FRAME_BYTES } from './protocol.ts';

const GET = 2;
const POST = 3;
const ROOT = 4;
const HTTP = 6;
const HTTPS = 7;

export class HeaderBlockWriter {
  readonly #writer: FrameWriter;
  readonly #hpack: HpackEncoder;
  /** Of the last block, with the heads of its frames. */
  wireBytes = 0;

  constructor(writer: FrameWriter, hpack: HpackEncoder) {
    this.#writer = writer;
    this.#hpack = hpack;
  }

  /** `protocol`: of an extended CONNECT, '' otherwise. The number of frames written. */
  write(streamId: number, headers: HeaderMap, endStream: boolean, protocol: string): number {
    const writer = this.#writer;
    const flags = endStream ? Flag.EndStream : 0;
    let bound = BLOCK_OVERHEAD + blockBound(headers);
    if (headers instanceof RequestHeaders)
      bound +=
        headers.path.length +
        (headers.authority?.length ?? 0) +
        headers.method.length +
        headers.scheme.length +
        protocol.length;
    if (bound > MAX_FRAME_BYTES) return this.#writeLarge(streamId, headers, flags, protocol, bound);
    const at = writer.reserve(FRAME_HEAD_BYTES + bound);
    const start = at + FRAME_HEAD_BYTES;
    const end = this.#encode(writer.bytes, start, headers, protocol);
    writer.head(at, end - start, FrameType.Headers, flags | Flag.EndHeaders, streamId);
    writer.commit(end);
    this.wireBytes = end - at;
    return 1;
  }

  // oxlint-disable-next-line eslint/max-params -- as write()
  #writeLarge(
    streamId: number,
    headers: HeaderMap,
    flags: number,
    protocol: string,
    bound: number,
  ): number {
    const block = Buffer.allocUnsafe(bound);
    const end = this.#encode(block, 0, headers, protocol);
    let frames = 0;
    let start = 0;
    do {
      const stop = Math.min(start + MAX_FRAME_BYTES, end);
      const last = stop === end ? Flag.EndHeaders : 0;
      if (start === 0)
        this.#writer.block(streamId, FrameType.Headers, flags | last, block.subarray(0, stop));
      else this.#writer.block(streamId, FrameType.Continuation, last, block.subarray(start, stop));
      start = stop;
      frames++;
    } while (start < end);
    this.wireBytes = end + frames * FRAME_HEAD_BYTES;
    return frames;
  }

  #encode(out: Buffer, at: number, headers: HeaderMap, protocol: string): number {
    const hpack = this.#hpack;
    let position = hpack.beginBlock(out, at);
    if (headers instanceof ResponseHeaders) position = hpack.status(out, position, headers.status);
    else if (headers instanceof RequestHeaders)
      position = this.#requestPseudo(out, position, headers, protocol);
    return hpack.lines(out, position, headers);
  }

  #requestPseudo(out: Buffer, at: number, headers: RequestHeaders, protocol: string): number {
    const hpack = this.#hpack;
    let position = at;
    if (headers.method === 'GET') position = hpack.indexed(out, position, GET);
    else if (headers.method === 'POST') position = hpack.indexed(out, position, POST);
    else position = hpack.line(out, position, Pseudo.method, headers.method);
    if (headers.method !== 'CONNECT' || protocol !== '') {
      if (headers.scheme === 'https') position = hpack.indexed(out, position, HTTPS);
      else if (headers.scheme === 'http' || headers.scheme === '')
        position = hpack.indexed(out, position, HTTP);
      else position = hpack.line(out, position, Pseudo.scheme, headers.scheme);
      if (headers.path === '/') position = hpack.indexed(out, position, ROOT);
      else position = hpack.line(out, position, Pseudo.path, headers.path);
    }
    if (headers.authority !== undefined)
      position = hpack.line(out, position, Pseudo.authority, headers.authority);
    return protocol === '' ? position : hpack.line(out, position, Pseudo.protocol, protocol);
  }
}
