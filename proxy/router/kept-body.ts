// [w] KeptBody: request body bytes that wait for an attempt, or stay for the next one (envoy-behaviour §4.6).
import type { UpstreamRequest } from './upstream-request.ts';

const EMPTY = Buffer.alloc(0);

export class KeptBody {
  readonly #chunks: Buffer[] = [];
  #byteLength = 0;

  get chunks(): readonly Buffer[] {
    return this.#chunks;
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  /** Copies: the chunk is a view of the thread's read buffer. */
  add(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(Buffer.from(chunk));
    this.#byteLength += chunk.length;
  }

  /** `endStream`: nothing follows the last byte. Stops where the attempt dies on the way. */
  sendTo(attempt: UpstreamRequest, endStream: boolean): void {
    const chunks = this.#chunks;
    if (chunks.length === 0 && endStream) attempt.sendData(EMPTY, true);
    for (let i = 0; i < chunks.length && attempt.writable; i++) {
      attempt.sendData(chunks[i]!, endStream && i === chunks.length - 1);
    }
  }
}
