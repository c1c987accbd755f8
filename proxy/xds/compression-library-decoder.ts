// [m] Decodes the libraries of compressor and decompressor filters: gzip, brotli, zstd.
import type {
  RuntimeFeatureFlag,
  TypedExtensionConfig,
} from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { Gzip_CompressionLevel } from '../../xds-protos/gen/envoy.extensions.compression.gzip.compressor.v3.ts';
import type {
  CompressorLibraryConfig,
  DecompressorLibraryConfig,
  FeatureFlagConfig,
} from '../config/compression-config.ts';
import type { FieldReader } from './field-reader.ts';
import { typedConfigOf } from './typed-config.ts';
import type { TypedConfig } from './typed-config.ts';

const LEVELS: Readonly<Record<Gzip_CompressionLevel, number>> = {
  DEFAULT_COMPRESSION: -1,
  BEST_SPEED: 1,
  COMPRESSION_LEVEL_1: 1,
  COMPRESSION_LEVEL_2: 2,
  COMPRESSION_LEVEL_3: 3,
  COMPRESSION_LEVEL_4: 4,
  COMPRESSION_LEVEL_5: 5,
  COMPRESSION_LEVEL_6: 6,
  COMPRESSION_LEVEL_7: 7,
  COMPRESSION_LEVEL_8: 8,
  COMPRESSION_LEVEL_9: 9,
  BEST_COMPRESSION: 9,
};
const GZIP_STRATEGIES = { DEFAULT_STRATEGY: 0, FILTERED: 1, HUFFMAN_ONLY: 2, RLE: 3, FIXED: 4 };
const BROTLI_MODES = { DEFAULT: 0, GENERIC: 0, TEXT: 1, FONT: 2 };
const ZSTD_STRATEGIES = {
  DEFAULT: 0,
  FAST: 1,
  DFAST: 2,
  GREEDY: 3,
  LAZY: 4,
  LAZY2: 5,
  BTLAZY2: 6,
  BTOPT: 7,
  BTULTRA: 8,
  BTULTRA2: 9,
};

const MIN_CHUNK_BYTES = 4096;
const MAX_CHUNK_BYTES = 65_536;
const MAX_ZSTD_LEVEL = 22;
const DEFAULT_MAX_RATIO = 100;
/** The most deflate can do. */
const MAX_RATIO = 1032;
/** What zstd gives out at once by itself. */
const ZSTD_CHUNK_BYTES = 131_072;

export function decodeFeatureFlag(
  reader: FieldReader<RuntimeFeatureFlag> | undefined,
): FeatureFlagConfig {
  return {
    runtimeKey: reader?.string('runtime_key') ?? '',
    fallback: reader?.bool('default_value', true) ?? true,
  };
}

export function decodeCompressorLibrary(
  reader: FieldReader<TypedExtensionConfig>,
): CompressorLibraryConfig | undefined {
  const name = reader.requiredString('name');
  const config = typedConfigOf(reader);
  if (config === undefined) return undefined;
  switch (config.typeName) {
    case 'envoy.extensions.compression.gzip.compressor.v3.Gzip':
      return gzip(config, name);
    case 'envoy.extensions.compression.brotli.compressor.v3.Brotli':
      return brotli(config, name);
    case 'envoy.extensions.compression.zstd.compressor.v3.Zstd':
      return zstd(config, name);
    default:
      config.unknown(name);
      return undefined;
  }
}

function gzip(config: TypedConfig, name: string): CompressorLibraryConfig | undefined {
  const reader = config.as('envoy.extensions.compression.gzip.compressor.v3.Gzip');
  if (reader === undefined) return undefined;
  reader.optionalNumber('chunk_size', MIN_CHUNK_BYTES, MAX_CHUNK_BYTES);
  return {
    name,
    kind: 'gzip',
    memoryLevel: reader.number('memory_level', 5, 1, 9),
    level: LEVELS[reader.enumName('compression_level', 'DEFAULT_COMPRESSION')],
    strategy: GZIP_STRATEGIES[reader.enumName('compression_strategy', 'DEFAULT_STRATEGY')],
    windowBits: reader.number('window_bits', 12, 9, 15),
  };
}

function brotli(config: TypedConfig, name: string): CompressorLibraryConfig | undefined {
  const reader = config.as('envoy.extensions.compression.brotli.compressor.v3.Brotli');
  if (reader === undefined) return undefined;
  reader.optionalNumber('chunk_size', MIN_CHUNK_BYTES, MAX_CHUNK_BYTES);
  return {
    name,
    kind: 'brotli',
    quality: reader.number('quality', 3, 0, 11),
    mode: BROTLI_MODES[reader.enumName('encoder_mode', 'DEFAULT')],
    windowBits: reader.number('window_bits', 18, 10, 24),
    inputBlockBits: reader.number('input_block_bits', 24, 16, 24),
    disableLiteralContextModeling: reader.bool('disable_literal_context_modeling'),
  };
}

function zstd(config: TypedConfig, name: string): CompressorLibraryConfig | undefined {
  const reader = config.as('envoy.extensions.compression.zstd.compressor.v3.Zstd');
  if (reader === undefined) return undefined;
  reader.refuse('dictionary');
  reader.optionalNumber('chunk_size', MIN_CHUNK_BYTES);
  return {
    name,
    kind: 'zstd',
    level: reader.number('compression_level', 3, 0, MAX_ZSTD_LEVEL),
    checksum: reader.bool('enable_checksum'),
    strategy: ZSTD_STRATEGIES[reader.enumName('strategy', 'DEFAULT')],
  };
}

export function decodeDecompressorLibrary(
  reader: FieldReader<TypedExtensionConfig>,
): DecompressorLibraryConfig | undefined {
  const name = reader.requiredString('name');
  const config = typedConfigOf(reader);
  if (config === undefined) return undefined;
  switch (config.typeName) {
    case 'envoy.extensions.compression.gzip.decompressor.v3.Gzip':
      return gunzip(config, name);
    case 'envoy.extensions.compression.brotli.decompressor.v3.Brotli':
      return unbrotli(config, name);
    case 'envoy.extensions.compression.zstd.decompressor.v3.Zstd':
      return unzstd(config, name);
    default:
      config.unknown(name);
      return undefined;
  }
}

function gunzip(config: TypedConfig, name: string): DecompressorLibraryConfig | undefined {
  const reader = config.as('envoy.extensions.compression.gzip.decompressor.v3.Gzip');
  return (
    reader && {
      name,
      kind: 'gzip',
      windowBits: reader.number('window_bits', 15, 9, 15),
      chunkBytes: reader.number('chunk_size', MIN_CHUNK_BYTES, MIN_CHUNK_BYTES, MAX_CHUNK_BYTES),
      maxRatio: reader.number('max_inflate_ratio', DEFAULT_MAX_RATIO, 1, MAX_RATIO),
    }
  );
}

function unbrotli(config: TypedConfig, name: string): DecompressorLibraryConfig | undefined {
  const reader = config.as('envoy.extensions.compression.brotli.decompressor.v3.Brotli');
  return (
    reader && {
      name,
      kind: 'brotli',
      windowBits: 0,
      chunkBytes: reader.number('chunk_size', MIN_CHUNK_BYTES, MIN_CHUNK_BYTES, MAX_CHUNK_BYTES),
      maxRatio: DEFAULT_MAX_RATIO,
    }
  );
}

function unzstd(config: TypedConfig, name: string): DecompressorLibraryConfig | undefined {
  const reader = config.as('envoy.extensions.compression.zstd.decompressor.v3.Zstd');
  reader?.refuse('dictionaries');
  return (
    reader && {
      name,
      kind: 'zstd',
      windowBits: 0,
      chunkBytes: Math.min(
        reader.number('chunk_size', ZSTD_CHUNK_BYTES, MIN_CHUNK_BYTES),
        ZSTD_CHUNK_BYTES,
      ),
      maxRatio: DEFAULT_MAX_RATIO,
    }
  );
}
