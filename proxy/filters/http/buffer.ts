// [w] envoy.filters.http.buffer: nothing of a request goes on until all of it is here. Requests without a body pass.
import type { BufferFilterConfig } from '../../config/http-filter-config.ts';
import type { HeaderMap, RequestHeaders } from '../../http/header-map.ts';
import { H } from '../../http/headers.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';

class BufferFilter extends PassThroughFilter {
  readonly #callbacks: FilterCallbacks;
  readonly #maxBytes: number;
  #waiting = false;
  #byteCount = 0;

  constructor(callbacks: FilterCallbacks, maxBytes: number) {
    super();
    this.#callbacks = callbacks;
    this.#maxBytes = maxBytes;
  }

  override decodeHeaders(_headers: RequestHeaders, endStream: boolean): FilterStatus {
    if (endStream) return FilterStatus.Continue;
    this.#callbacks.setBufferLimit(this.#maxBytes);
    this.#waiting = true;
    return FilterStatus.StopAndBuffer;
  }

  override decodeData(chunk: Buffer, endStream: boolean): FilterStatus {
    if (!this.#waiting) return FilterStatus.Continue;
    this.#byteCount += chunk.length;
    if (!endStream) return FilterStatus.StopAndBuffer;
    this.#onComplete();
    return FilterStatus.Continue;
  }

  override decodeTrailers(_trailers: HeaderMap): FilterStatus {
    if (this.#waiting) this.#onComplete();
    return FilterStatus.Continue;
  }

  /** The length is known now; a body that came in chunks goes on in one piece. */
  #onComplete(): void {
    this.#waiting = false;
    this.#callbacks.requestHeaders.setIfAbsent(H.contentLength, String(this.#byteCount));
  }
}

export class BufferFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #config: BufferFilterConfig;

  constructor(name: string, config: BufferFilterConfig) {
    this.name = name;
    this.#config = config;
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter {
    const { route, requestHeaders, streamInfo } = callbacks;
    const own = route?.filterSettings(this.name, requestHeaders, streamInfo);
    const config = own?.kind === 'buffer' ? own : this.#config;
    return new BufferFilter(callbacks, config.maxRequestBytes);
  }
}
