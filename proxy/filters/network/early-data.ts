// [w] What a client said before its upstream was connected, where tcp_proxy may read it (`max_early_data_bytes`).
import { KeptBytes } from '../../base/kept-bytes.ts';

export class EarlyData {
  readonly #limitBytes: number;
  #kept = new KeptBytes();
  #byteCount = 0;
  ended = false;
  /** The client is not read any more. */
  full = false;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** True when the client must not be read from now on. */
  add(chunk: Buffer, endStream: boolean): boolean {
    this.ended ||= endStream;
    this.#kept.add(chunk);
    this.#byteCount += chunk.length;
    if (this.full || this.#byteCount < this.#limitBytes) return false;
    this.full = true;
    return true;
  }

  get empty(): boolean {
    return this.#byteCount === 0;
  }

  take(): Buffer {
    const bytes = Buffer.concat(this.#kept.chunks);
    this.#kept = new KeptBytes();
    return bytes;
  }
}
