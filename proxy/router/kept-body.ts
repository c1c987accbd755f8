// [w] KeptBody: request body bytes that wait for an attempt, or stay for the next one (envoy-behaviour §4.6).
import { KeptBytes } from '../base/kept-bytes.ts';
import type { UpstreamRequest } from './upstream-request.ts';

const EMPTY = Buffer.alloc(0);

export class KeptBody extends KeptBytes {
  /** `endStream`: nothing follows the last byte. Stops where the attempt dies on the way. */
  sendTo(attempt: UpstreamRequest, endStream: boolean): void {
    const { chunks } = this;
    if (chunks.length === 0 && endStream) attempt.sendData(EMPTY, true);
    for (let i = 0; i < chunks.length && attempt.writable; i++) {
      attempt.sendData(chunks[i]!, endStream && i === chunks.length - 1);
    }
  }
}
