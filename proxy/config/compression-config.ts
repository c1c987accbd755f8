// [b] Settings of the compressor and decompressor filters as plain data.
import type { StringMatchConfig } from './matcher-config.ts';

/** envoy.config.core.v3.RuntimeFeatureFlag */
export interface FeatureFlagConfig {
  readonly runtimeKey: string;
  readonly fallback: boolean;
}

/** One of envoy.extensions.compression.*.compressor.v3, under the name of its extension. */
export type CompressorLibraryConfig = { readonly name: string } & (
  | {
      readonly kind: 'gzip';
      readonly memoryLevel: number;
      /** -1: zlib's own default. */
      readonly level: number;
      readonly strategy: number;
      readonly windowBits: number;
    }
  | {
      readonly kind: 'brotli';
      readonly quality: number;
      readonly mode: number;
      readonly windowBits: number;
      readonly inputBlockBits: number;
      readonly disableLiteralContextModeling: boolean;
    }
  | {
      readonly kind: 'zstd';
      readonly level: number;
      readonly checksum: boolean;
      /** 0: by the level. */
      readonly strategy: number;
    }
);

/** One of envoy.extensions.compression.*.decompressor.v3. */
export interface DecompressorLibraryConfig {
  readonly name: string;
  readonly kind: 'gzip' | 'brotli' | 'zstd';
  /** Of gzip. */
  readonly windowBits: number;
  /** Output at a time: how often the ratio is looked at. */
  readonly chunkBytes: number;
  /** Output for each byte of one piece of input; what is above it is a bomb. */
  readonly maxRatio: number;
}

export interface CompressorDirectionConfig {
  readonly enabled: FeatureFlagConfig;
  readonly minContentLength: number;
  /** Lower-case; looked at where there are no matchers. Empty: any. */
  readonly contentTypes: readonly string[];
  readonly contentTypeMatchers: readonly StringMatchConfig[];
}

/** envoy.extensions.filters.http.compressor.v3.Compressor */
export interface CompressorConfig {
  readonly kind: 'compressor';
  readonly library: CompressorLibraryConfig;
  readonly chooseFirst: boolean;
  /** Undefined: requests are not compressed. */
  readonly request: CompressorDirectionConfig | undefined;
  readonly response: CompressorDirectionConfig & {
    /** `response_direction_config` is set: its counters are named so. */
    readonly named: boolean;
    readonly disableOnEtag: boolean;
    readonly weakenEtag: boolean;
    readonly removeAcceptEncoding: boolean;
    readonly uncompressibleCodes: readonly number[];
    readonly statusHeader: boolean;
  };
}

/** envoy.extensions.filters.http.compressor.v3.CompressorPerRoute; undefined: as the filter says. */
export interface CompressorPerRouteConfig {
  readonly kind: 'compressor_per_route';
  readonly responseEnabled: boolean | undefined;
  readonly removeAcceptEncoding: boolean | undefined;
  readonly library: CompressorLibraryConfig | undefined;
}

export interface DecompressorDirectionConfig {
  readonly enabled: FeatureFlagConfig;
  readonly ignoreNoTransform: boolean;
}

/** envoy.extensions.filters.http.decompressor.v3.Decompressor */
export interface DecompressorConfig {
  readonly kind: 'decompressor';
  readonly library: DecompressorLibraryConfig;
  readonly advertiseAcceptEncoding: boolean;
  readonly request: DecompressorDirectionConfig;
  readonly response: DecompressorDirectionConfig;
}
