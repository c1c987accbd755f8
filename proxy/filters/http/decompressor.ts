// [w] envoy.filters.http.decompressor: bodies that came compressed go on plain, and upstreams are told what may come.
import type {
  DecompressorConfig,
  DecompressorDirectionConfig,
} from '../../config/compression-config.ts';
import { H, headerName } from '../../http/headers.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../../http/header-map.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import type { StatId, StatsStore } from '../../stats/store.ts';
import type { FilterFactoryContext } from '../factory-context.ts';
import { trimmed } from './encoding-choice.ts';
import { StreamDecompressor } from './stream-decompressor.ts';
import { forbidsTransform } from './transformed-headers.ts';

const ACCEPT_ENCODING = headerName('accept-encoding');
const CONTENT_ENCODING = headerName('content-encoding');
const ENCODINGS = { gzip: 'gzip', brotli: 'br', zstd: 'zstd' } as const;
const ERROR_STATS = {
  gzip: 'zlib_data_error',
  brotli: 'brotli_error',
  zstd: 'zstd_generic_error',
} as const;
const EMPTY = Buffer.alloc(0);

/** One side of the stream, with its counters. */
class Direction {
  readonly enabled: boolean;
  readonly #ignoreNoTransform: boolean;
  readonly #store: StatsStore;
  readonly #decompressed: StatId;
  readonly #notDecompressed: StatId;
  readonly #compressedBytes: StatId;
  readonly #uncompressedBytes: StatId;

  constructor(
    config: DecompressorDirectionConfig,
    prefix: string,
    { stats, runtime }: FilterFactoryContext,
  ) {
    this.enabled = runtime.flag(config.enabled.runtimeKey, config.enabled.fallback);
    this.#ignoreNoTransform = config.ignoreNoTransform;
    this.#store = stats;
    this.#decompressed = stats.counter(`${prefix}decompressed`);
    this.#notDecompressed = stats.counter(`${prefix}not_decompressed`);
    this.#compressedBytes = stats.counter(`${prefix}total_compressed_bytes`);
    this.#uncompressedBytes = stats.counter(`${prefix}total_uncompressed_bytes`);
  }

  /** True, and the headers are changed, where the outermost encoding of the body is `encoding`. */
  takes(headers: HeaderMap, encoding: string): boolean {
    const outer = this.enabled ? outermost(headers) : '';
    const taken =
      outer.toLowerCase() === encoding && (this.#ignoreNoTransform || !forbidsTransform(headers));
    this.#store.inc(taken ? this.#decompressed : this.#notDecompressed);
    if (!taken) return false;
    headers.remove(H.contentLength);
    const encodings = headers.get(CONTENT_ENCODING)!;
    const comma = encodings.indexOf(',');
    if (comma < 0) headers.remove(CONTENT_ENCODING);
    else headers.set(CONTENT_ENCODING, trimmed(encodings.slice(comma + 1)));
    return true;
  }

  countBytes(compressed: number, uncompressed: number): void {
    this.#store.add(this.#compressedBytes, compressed);
    this.#store.add(this.#uncompressedBytes, uncompressed);
  }
}

function outermost(headers: HeaderMap): string {
  const encodings = headers.get(CONTENT_ENCODING) ?? '';
  const comma = encodings.indexOf(',');
  return trimmed(comma < 0 ? encodings : encodings.slice(0, comma));
}

class DecompressorFilter extends PassThroughFilter {
  readonly #factory: DecompressorFilterFactory;
  readonly #callbacks: FilterCallbacks;
  #request: StreamDecompressor | null = null;
  #response: StreamDecompressor | null = null;

  constructor(factory: DecompressorFilterFactory, callbacks: FilterCallbacks) {
    super();
    this.#factory = factory;
    this.#callbacks = callbacks;
  }

  override decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterStatus {
    const factory = this.#factory;
    if (factory.advertises) advertise(headers, factory.encoding);
    if (!endStream && factory.request.takes(headers, factory.encoding))
      this.#request = factory.createDecompressor();
    return FilterStatus.Continue;
  }

  override decodeData(chunk: Buffer, endStream: boolean): FilterStatus {
    if (this.#request === null) return FilterStatus.Continue;
    const plain = this.#factory.decompress(this.#request, this.#factory.request, chunk);
    if (plain.length > 0 || endStream) this.#callbacks.injectDecodedData(plain, endStream);
    return FilterStatus.Consumed;
  }

  override encodeHeaders(headers: ResponseHeaders, endStream: boolean): FilterStatus {
    const factory = this.#factory;
    if (!endStream && factory.response.takes(headers, factory.encoding))
      this.#response = factory.createDecompressor();
    return FilterStatus.Continue;
  }

  override encodeData(chunk: Buffer, endStream: boolean): FilterStatus {
    if (this.#response === null) return FilterStatus.Continue;
    const plain = this.#factory.decompress(this.#response, this.#factory.response, chunk);
    if (plain.length > 0 || endStream) this.#callbacks.injectEncodedData(plain, endStream);
    return FilterStatus.Consumed;
  }

  override onDestroy(): void {
    this.#request?.close();
    this.#response?.close();
  }
}

/** The encoding goes to the end of the client's list, once and without a weight. */
function advertise(headers: RequestHeaders, encoding: string): void {
  const present = headers.get(ACCEPT_ENCODING);
  if (present === undefined) {
    headers.push(ACCEPT_ENCODING, encoding);
    return;
  }
  const others = present
    .split(',')
    .map(trimmed)
    .filter((token) => token !== '' && trimmed(token.split(';', 1)[0]!) !== encoding);
  headers.set(ACCEPT_ENCODING, [...others, encoding].join(','));
}

export class DecompressorFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly encoding: string;
  readonly advertises: boolean;
  readonly request: Direction;
  readonly response: Direction;
  readonly #config: DecompressorConfig;
  readonly #store: StatsStore;
  readonly #errors: StatId;

  constructor(name: string, config: DecompressorConfig, context: FilterFactoryContext) {
    const { library } = config;
    const prefix = `http.${context.statPrefix}.decompressor.${library.name}.${library.kind}.`;
    this.name = name;
    this.encoding = ENCODINGS[library.kind];
    this.request = new Direction(config.request, `${prefix}request.`, context);
    this.response = new Direction(config.response, `${prefix}response.`, context);
    this.advertises = config.advertiseAcceptEncoding && this.response.enabled;
    this.#config = config;
    this.#store = context.stats;
    this.#errors = context.stats.counter(
      `${prefix}decompressor_library.${ERROR_STATS[library.kind]}`,
    );
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter {
    return new DecompressorFilter(this, callbacks);
  }

  createDecompressor(): StreamDecompressor {
    return new StreamDecompressor(this.#config.library);
  }

  decompress(decompressor: StreamDecompressor, direction: Direction, chunk: Buffer): Buffer {
    if (chunk.length === 0) return EMPTY;
    const pieces: Buffer[] = [];
    if (!decompressor.decompress(chunk, pieces)) this.#store.inc(this.#errors);
    const plain = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    direction.countBytes(chunk.length, plain.length);
    return plain;
  }
}
