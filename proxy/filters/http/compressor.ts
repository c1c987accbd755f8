// [w] envoy.filters.http.compressor: gzip, brotli, zstd, for responses as their clients accept them, and for requests
// where asked (envoy-behaviour §10.9). Compression libraries are loaded by the first message that is compressed.
import type {
  CompressorConfig,
  CompressorLibraryConfig,
  CompressorPerRouteConfig,
} from '../../config/compression-config.ts';
import { H, headerName } from '../../http/headers.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../../http/header-map.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import type { StatId, StatsStore } from '../../stats/store.ts';
import type { FilterStateObject } from '../../stream-info/filter-state.ts';
import type { StreamInfo } from '../../stream-info/stream-info.ts';
import type { FilterFactoryContext } from '../factory-context.ts';
import { CompressorDirection, contentTypeOf } from './compressor-direction.ts';
import { chooseEncoding } from './encoding-choice.ts';
import type { EncodingDecision, EncodingOffer } from './encoding-choice.ts';
import { changeEtag, forbidsTransform, insertVary } from './transformed-headers.ts';
import { StreamCompressor } from './zlib-stream.ts';

const ACCEPT_ENCODING = headerName('accept-encoding');
const CONTENT_ENCODING = headerName('content-encoding');
const ETAG = headerName('etag');
const COMPRESSION_STATUS = headerName('x-envoy-compression-status');
const EMPTY = Buffer.alloc(0);

const ENCODINGS = { gzip: 'gzip', brotli: 'br', zstd: 'zstd' } as const;

/** The compressors of one stream, in the order of their filters, and what they decided. */
class CompressorRegistry implements FilterStateObject {
  static readonly key = 'compressors';
  readonly text = null;
  readonly offers: EncodingOffer[] = [];
  #decision: EncodingDecision | null = null;

  static of(info: StreamInfo): CompressorRegistry {
    const state = info.filterStateForWriting();
    const present = state.get(CompressorRegistry.key);
    if (present instanceof CompressorRegistry) return present;
    const registry = new CompressorRegistry();
    state.set(CompressorRegistry.key, registry);
    return registry;
  }

  decide(acceptEncoding: string, headers: ResponseHeaders): EncodingDecision {
    this.#decision ??= chooseEncoding(acceptEncoding, contentTypeOf(headers), this.offers);
    return this.#decision;
  }
}

interface NegotiationStats {
  readonly store: StatsStore;
  readonly noAcceptHeader: StatId;
  readonly headerIdentity: StatId;
  readonly headerCompressorUsed: StatId;
  readonly headerCompressorOvershadowed: StatId;
  readonly headerWildcard: StatId;
  readonly headerNotValid: StatId;
  readonly notCompressedEtag: StatId;
}

/** What the filter and the route say together. */
interface StreamSettings {
  readonly library: CompressorLibraryConfig;
  readonly responseEnabled: boolean;
  readonly removeAcceptEncoding: boolean;
}

class CompressorFilter extends PassThroughFilter implements EncodingOffer {
  readonly encoding: string;
  readonly chooseFirst: boolean;
  readonly #factory: CompressorFilterFactory;
  readonly #callbacks: FilterCallbacks;
  readonly #settings: StreamSettings;
  readonly #registry: CompressorRegistry;
  #acceptEncoding: string | undefined;
  #request: StreamCompressor | null = null;
  #response: StreamCompressor | null = null;

  constructor(
    factory: CompressorFilterFactory,
    callbacks: FilterCallbacks,
    settings: StreamSettings,
  ) {
    super();
    this.#factory = factory;
    this.#callbacks = callbacks;
    this.#settings = settings;
    this.encoding = ENCODINGS[settings.library.kind];
    this.chooseFirst = factory.config.chooseFirst;
    this.#registry = CompressorRegistry.of(callbacks.streamInfo);
    this.#registry.offers.push(this);
  }

  takes(contentType: string | undefined): boolean {
    return this.#factory.response.takes(contentType);
  }

  override decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterStatus {
    this.#acceptEncoding = headers.get(ACCEPT_ENCODING);
    const { responseEnabled, removeAcceptEncoding, library } = this.#settings;
    if (responseEnabled && removeAcceptEncoding) headers.remove(ACCEPT_ENCODING);
    const direction = this.#factory.request;
    const compresses =
      !endStream &&
      direction.enabled &&
      !this.#callbacks.upgradeRequested &&
      direction.longEnough(headers) &&
      direction.takes(contentTypeOf(headers)) &&
      !headers.has(CONTENT_ENCODING);
    if (compresses) {
      headers.remove(H.contentLength);
      headers.set(CONTENT_ENCODING, this.encoding);
      this.#request = new StreamCompressor(library);
    }
    direction.countMessage(compresses);
    return FilterStatus.Continue;
  }

  override decodeData(chunk: Buffer, endStream: boolean): FilterStatus {
    if (this.#request === null) return FilterStatus.Continue;
    const compressed = this.#request.compress(chunk, endStream);
    this.#factory.request.countBytes(chunk.length, compressed.length);
    if (compressed.length > 0 || endStream)
      this.#callbacks.injectDecodedData(compressed, endStream);
    return FilterStatus.Consumed;
  }

  override decodeTrailers(_trailers: HeaderMap): FilterStatus {
    if (this.#request === null) return FilterStatus.Continue;
    const rest = this.#request.compress(EMPTY, true);
    this.#factory.request.countBytes(0, rest.length);
    this.#callbacks.injectDecodedData(rest, false);
    return FilterStatus.Continue;
  }

  override encodeHeaders(headers: ResponseHeaders, endStream: boolean): FilterStatus {
    const compressed = this.#factory.config.response.statusHeader
      ? this.#encodeWithStatus(headers, endStream)
      : this.#encode(headers, endStream);
    this.#factory.response.countMessage(compressed);
    return FilterStatus.Continue;
  }

  override encodeData(chunk: Buffer, endStream: boolean): FilterStatus {
    if (this.#response === null) return FilterStatus.Continue;
    const compressed = this.#response.compress(chunk, endStream);
    this.#factory.response.countBytes(chunk.length, compressed.length);
    if (compressed.length > 0 || endStream)
      this.#callbacks.injectEncodedData(compressed, endStream);
    return FilterStatus.Consumed;
  }

  override encodeTrailers(_trailers: HeaderMap): FilterStatus {
    if (this.#response === null) return FilterStatus.Continue;
    const rest = this.#response.compress(EMPTY, true);
    this.#factory.response.countBytes(0, rest.length);
    this.#callbacks.injectEncodedData(rest, false);
    return FilterStatus.Continue;
  }

  override onDestroy(): void {
    this.#request?.close();
    this.#response?.close();
  }

  /** The client's wish is looked at (and counted) whatever else speaks against compression, but for the length. */
  #encode(headers: ResponseHeaders, endStream: boolean): boolean {
    const factory = this.#factory;
    const longEnough = this.#settings.responseEnabled && factory.response.longEnough(headers);
    const compressible =
      longEnough &&
      this.#transformable(headers) &&
      factory.response.takes(contentTypeOf(headers)) &&
      factory.allowsEtag(headers) &&
      factory.allowsCode(headers.status);
    const compresses = !endStream && longEnough && this.#accepted(headers) && compressible;
    if (compresses) this.#start(headers);
    if (compressible) insertVary(headers);
    return compresses;
  }

  /** The header tells the first thing that speaks against compression. */
  #encodeWithStatus(headers: ResponseHeaders, endStream: boolean): boolean {
    const factory = this.#factory;
    const { response } = factory;
    if (!this.#settings.responseEnabled || !this.#transformable(headers)) return false;
    const obstacle = this.#obstacle(headers);
    if (obstacle !== undefined) {
      if (endStream) return false;
      // Envoy asks for the length once more.
      if (obstacle === 'ContentLengthTooSmall') response.countTooSmall();
      headers.push(COMPRESSION_STATUS, `${this.encoding};${obstacle}`);
      return false;
    }
    insertVary(headers);
    if (endStream || !this.#accepted(headers)) return false;
    const length = headers.get(H.contentLength) ?? '';
    this.#start(headers);
    headers.push(COMPRESSION_STATUS, `${this.encoding};Compressed;OriginalLength=${length}`);
    return true;
  }

  #obstacle(headers: ResponseHeaders): string | undefined {
    const factory = this.#factory;
    if (!factory.response.longEnough(headers)) return 'ContentLengthTooSmall';
    if (!factory.response.takes(contentTypeOf(headers))) return 'ContentTypeNotAllowed';
    if (!factory.allowsEtag(headers)) return 'EtagNotAllowed';
    return factory.allowsCode(headers.status) ? undefined : 'StatusCodeNotAllowed';
  }

  #transformable(headers: ResponseHeaders): boolean {
    return (
      !this.#callbacks.upgradeRequested &&
      !headers.has(CONTENT_ENCODING) &&
      !forbidsTransform(headers)
    );
  }

  #accepted(headers: ResponseHeaders): boolean {
    const stats = this.#factory.stats;
    if (this.#acceptEncoding === undefined) {
      stats.store.inc(stats.noAcceptHeader);
      return false;
    }
    const { encoding, reason } = this.#registry.decide(this.#acceptEncoding, headers);
    const ours = encoding === this.encoding;
    if (reason === 'identity') stats.store.inc(stats.headerIdentity);
    else if (reason === 'wildcard') stats.store.inc(stats.headerWildcard);
    else if (reason === 'not_valid') stats.store.inc(stats.headerNotValid);
    else if (ours) stats.store.inc(stats.headerCompressorUsed);
    else stats.store.inc(stats.headerCompressorOvershadowed);
    return ours;
  }

  #start(headers: ResponseHeaders): void {
    changeEtag(headers, this.#factory.config.response.weakenEtag);
    headers.remove(H.contentLength);
    headers.set(CONTENT_ENCODING, this.encoding);
    this.#response = new StreamCompressor(this.#settings.library);
  }
}

export class CompressorFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly config: CompressorConfig;
  readonly request: CompressorDirection;
  readonly response: CompressorDirection;
  readonly stats: NegotiationStats;
  readonly #own: StreamSettings;
  readonly #uncompressibleCodes: ReadonlySet<number>;

  constructor(name: string, config: CompressorConfig, context: FilterFactoryContext) {
    const { library, response } = config;
    const prefix = `http.${context.statPrefix}.compressor.${library.name}.${library.kind}.`;
    this.name = name;
    this.config = config;
    this.request = new CompressorDirection(config.request, `${prefix}request.`, context);
    const responsePrefix = response.named ? `${prefix}response.` : prefix;
    this.response = new CompressorDirection(response, responsePrefix, context);
    this.#uncompressibleCodes = new Set(response.uncompressibleCodes);
    this.#own = {
      library,
      responseEnabled: this.response.enabled,
      removeAcceptEncoding: response.removeAcceptEncoding,
    };
    const counter = (stat: string): StatId => context.stats.counter(`${prefix}${stat}`);
    this.stats = {
      store: context.stats,
      noAcceptHeader: counter('no_accept_header'),
      headerIdentity: counter('header_identity'),
      headerCompressorUsed: counter('header_compressor_used'),
      headerCompressorOvershadowed: counter('header_compressor_overshadowed'),
      headerWildcard: counter('header_wildcard'),
      headerNotValid: counter('header_not_valid'),
      notCompressedEtag: counter('not_compressed_etag'),
    };
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter {
    const { route, requestHeaders, streamInfo } = callbacks;
    const level = route?.filterSettings(this.name, requestHeaders, streamInfo);
    const settings = level?.kind === 'compressor_per_route' ? this.#withRoute(level) : this.#own;
    return new CompressorFilter(this, callbacks, settings);
  }

  allowsEtag(headers: ResponseHeaders): boolean {
    if (!this.config.response.disableOnEtag || !headers.has(ETAG)) return true;
    this.stats.store.inc(this.stats.notCompressedEtag);
    return false;
  }

  allowsCode(status: number): boolean {
    return !this.#uncompressibleCodes.has(status);
  }

  #withRoute(level: CompressorPerRouteConfig): StreamSettings {
    return {
      library: level.library ?? this.#own.library,
      responseEnabled: level.responseEnabled ?? this.#own.responseEnabled,
      removeAcceptEncoding: level.removeAcceptEncoding ?? this.#own.removeAcceptEncoding,
    };
  }
}
