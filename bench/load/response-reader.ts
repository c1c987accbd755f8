// Where HTTP/1 responses begin and end in a stream of bytes: content-length, chunked, or until the connection closes.

const HEAD_END = '\r\n\r\n';
const MAX_HEAD_CHARS = 65_536;

type Framing = 'head' | 'length' | 'chunk-size' | 'chunk' | 'trailers' | 'until-close';

/** One connection's responses, one after the other. Answers to HEAD are not understood. */
export class ResponseReader {
  /** Whole responses so far. */
  responses = 0;
  /** Of them, those whose status is not 2xx or 3xx. */
  refused = 0;
  /** The last head said that no further response will come. */
  closes = false;
  bytes = 0;
  #framing: Framing = 'head';
  #text = '';
  #left = 0;
  #bad = false;

  /** Throws when the bytes are no HTTP/1 response. */
  push(chunk: Buffer): void {
    this.bytes += chunk.length;
    let at = 0;
    while (at < chunk.length) at = this.#step(chunk, at);
  }

  /** The connection ended; true when that was the proper end of a response. */
  end(): boolean {
    if (this.#framing !== 'until-close') return false;
    this.#complete();
    return true;
  }

  #step(chunk: Buffer, at: number): number {
    switch (this.#framing) {
      case 'until-close':
        return chunk.length;
      case 'length':
      case 'chunk': {
        const taken = Math.min(this.#left, chunk.length - at);
        this.#left -= taken;
        if (this.#left === 0) {
          if (this.#framing === 'length') this.#complete();
          else this.#framing = 'chunk-size';
        }
        return at + taken;
      }
      default:
        return this.#readText(chunk, at);
    }
  }

  #readText(chunk: Buffer, at: number): number {
    const end = this.#framing === 'head' ? HEAD_END : '\r\n';
    const before = this.#text.length;
    this.#text += chunk.latin1Slice(at, chunk.length);
    const found = this.#text.indexOf(end);
    if (found < 0) {
      if (this.#text.length > MAX_HEAD_CHARS) throw new Error('a head or line is too long');
      return chunk.length;
    }
    const line = this.#text.slice(0, found);
    this.#text = '';
    this.#take(line);
    return at + found + end.length - before;
  }

  #take(text: string): void {
    if (this.#framing === 'head') this.#takeHead(text);
    else if (this.#framing === 'trailers') {
      if (text === '') this.#complete();
    } else {
      const size = /^[0-9a-f]{1,8}/i.exec(text)?.[0];
      if (size === undefined) throw new Error('a chunk has no size');
      // With the line end behind it.
      this.#left = Number.parseInt(size, 16) + 2;
      this.#framing = this.#left === 2 ? 'trailers' : 'chunk';
    }
  }

  #takeHead(head: string): void {
    const status = Number(/^HTTP\/1\.[01] ([0-9]{3})/.exec(head)?.[1] ?? Number.NaN);
    if (Number.isNaN(status)) throw new Error('the answer is not HTTP/1');
    if (status < 200) return;
    this.#bad = status >= 400;
    this.closes = /\r\nconnection: *close/i.test(head);
    const length = /\r\ncontent-length: *([0-9]{1,15})/i.exec(head)?.[1];
    if (/\r\ntransfer-encoding: *chunked/i.test(head)) this.#framing = 'chunk-size';
    else if (length !== undefined && Number(length) > 0) {
      this.#left = Number(length);
      this.#framing = 'length';
    } else if (length !== undefined || status === 204 || status === 304) this.#complete();
    else this.#framing = 'until-close';
  }

  #complete(): void {
    this.responses++;
    if (this.#bad) this.refused++;
    this.#framing = 'head';
  }
}
