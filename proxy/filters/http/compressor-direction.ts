// [w] CompressorDirection: requests or responses as one compressor filter takes them, with the counters of that side.
import type { CompressorDirectionConfig } from '../../config/compression-config.ts';
import { H } from '../../http/headers.ts';
import type { HeaderMap } from '../../http/header-map.ts';
import { decimalInteger } from '../../router/header-matcher.ts';
import { StringMatcher } from '../../router/string-matcher.ts';
import type { StatId, StatsStore } from '../../stats/store.ts';
import type { FilterFactoryContext } from '../factory-context.ts';
import { trimmed } from './encoding-choice.ts';

export class CompressorDirection {
  readonly enabled: boolean;
  readonly #minContentLength: number;
  readonly #contentTypes: ReadonlySet<string>;
  readonly #matchers: readonly StringMatcher[];
  readonly #store: StatsStore;
  readonly #compressed: StatId;
  readonly #notCompressed: StatId;
  readonly #uncompressedBytes: StatId;
  readonly #compressedBytes: StatId;
  readonly #tooSmall: StatId;

  /** Undefined settings: this side is never compressed. */
  constructor(
    config: CompressorDirectionConfig | undefined,
    statsPrefix: string,
    { stats, runtime }: FilterFactoryContext,
  ) {
    const flag = config?.enabled;
    this.enabled = flag !== undefined && runtime.flag(flag.runtimeKey, flag.fallback);
    this.#minContentLength = config?.minContentLength ?? 0;
    this.#contentTypes = new Set(config?.contentTypes);
    this.#matchers = (config?.contentTypeMatchers ?? []).map(
      (matcher, i) => new StringMatcher(matcher, `content_type_matcher[${i}]`),
    );
    this.#store = stats;
    this.#compressed = stats.counter(`${statsPrefix}compressed`);
    this.#notCompressed = stats.counter(`${statsPrefix}not_compressed`);
    this.#uncompressedBytes = stats.counter(`${statsPrefix}total_uncompressed_bytes`);
    this.#compressedBytes = stats.counter(`${statsPrefix}total_compressed_bytes`);
    this.#tooSmall = stats.counter(`${statsPrefix}content_length_too_small`);
  }

  /** A message that does not tell its length is long enough. */
  longEnough(headers: HeaderMap): boolean {
    const length = headers.get(H.contentLength);
    if (length === undefined || decimalInteger(length) >= this.#minContentLength) return true;
    this.countTooSmall();
    return false;
  }

  countTooSmall(): void {
    this.#store.inc(this.#tooSmall);
  }

  /** A message without a type has the right one. */
  takes(contentType: string | undefined): boolean {
    if (contentType === undefined) return true;
    if (this.#matchers.length > 0)
      return this.#matchers.some((matcher) => matcher.matches(contentType));
    return this.#contentTypes.has(contentType.toLowerCase());
  }

  countMessage(compressed: boolean): void {
    this.#store.inc(compressed ? this.#compressed : this.#notCompressed);
  }

  countBytes(before: number, after: number): void {
    this.#store.add(this.#uncompressedBytes, before);
    this.#store.add(this.#compressedBytes, after);
  }
}

/** Without its parameters. */
export function contentTypeOf(headers: HeaderMap): string | undefined {
  const value = headers.get(H.contentType);
  if (value === undefined) return undefined;
  const semicolon = value.indexOf(';');
  return trimmed(semicolon < 0 ? value : value.slice(0, semicolon));
}
