// What is refused of the compressor's and decompressor's settings.
import t from 'tap';
import {
  MANAGER_PATH,
  listener,
  managerListener,
  problemsOf,
  routerFilter,
  routes,
} from './decoding.ts';
import type { Json } from './decoding.ts';

const HTTP = 'type.googleapis.com/envoy.extensions.filters.http';
const PLACE = `${MANAGER_PATH}.http_filters[0].typed_config`;
const LIBRARY = `${PLACE}.compressor_library.typed_config`;

const library = (kind: string, side: string, config: Json = {}): Json => ({
  name: kind,
  typed_config: {
    '@type': `type.googleapis.com/envoy.extensions.compression.${kind.toLowerCase()}.${side}.v3.${kind}`,
    ...config,
  },
});
const compressor = (config: Json): Json => ({
  '@type': `${HTTP}.compressor.v3.Compressor`,
  ...config,
});
const withLibrary = (kind: string, config: Json): Json =>
  compressor({ compressor_library: library(kind, 'compressor', config) });
const decompressor = (kind: string, config: Json): Json => ({
  '@type': `${HTTP}.decompressor.v3.Decompressor`,
  decompressor_library: library(kind, 'decompressor', config),
});

const rows: readonly (readonly [what: string, config: Json, problems: readonly string[]])[] = [
  [
    'all libraries',
    withLibrary('Zstd', { compression_level: 22, strategy: 'BTULTRA2', chunk_size: 4096 }),
    [],
  ],
  ['no library', compressor({}), [`${PLACE}.compressor_library: is required`]],
  [
    'a library that is none',
    compressor({
      compressor_library: { name: 'x', typed_config: { '@type': `${HTTP}.cors.v3.Cors` } },
    }),
    [
      `${LIBRARY}: Didn't find a registered implementation for 'x' with type URL: 'envoy.extensions.filters.http.cors.v3.Cors'`,
    ],
  ],
  [
    'a window of gzip',
    withLibrary('Gzip', { window_bits: 8 }),
    [`${LIBRARY}.window_bits: must be between 9 and 15, is 8`],
  ],
  [
    'memory of gzip',
    withLibrary('Gzip', { memory_level: 10 }),
    [`${LIBRARY}.memory_level: must be between 1 and 9, is 10`],
  ],
  [
    'chunks of gzip',
    withLibrary('Gzip', { chunk_size: 1 }),
    [`${LIBRARY}.chunk_size: must be between 4096 and 65536, is 1`],
  ],
  [
    'quality of brotli',
    withLibrary('Brotli', { quality: 12 }),
    [`${LIBRARY}.quality: must be between 0 and 11, is 12`],
  ],
  [
    'blocks of brotli',
    withLibrary('Brotli', { input_block_bits: 15 }),
    [`${LIBRARY}.input_block_bits: must be between 16 and 24, is 15`],
  ],
  [
    'a level of zstd',
    withLibrary('Zstd', { compression_level: 23 }),
    [`${LIBRARY}.compression_level: must be between 0 and 22, is 23`],
  ],
  [
    'a dictionary',
    withLibrary('Zstd', { dictionary: { inline_string: 'x' } }),
    [`${LIBRARY}.dictionary: is not supported by this version`],
  ],
  [
    'a code that is none',
    compressor({
      compressor_library: library('Gzip', 'compressor'),
      response_direction_config: { uncompressible_response_codes: [200, 99] },
    }),
    [
      `${PLACE}.response_direction_config.uncompressible_response_codes[1]: must be between 200 and 599, is 99`,
    ],
  ],
  [
    'a ratio of 0',
    decompressor('Gzip', { max_inflate_ratio: 0 }),
    [
      `${PLACE}.decompressor_library.typed_config.max_inflate_ratio: must be between 1 and 1032, is 0`,
    ],
  ],
  [
    'dictionaries',
    decompressor('Zstd', { dictionaries: [{ inline_string: 'x' }] }),
    [`${PLACE}.decompressor_library.typed_config.dictionaries: is not supported by this version`],
  ],
];

t.test('settings of compressor and decompressor', async (t) => {
  for (const [what, typed_config, problems] of rows) {
    const http_filters = [{ name: 'f', typed_config }, routerFilter];
    t.same(
      problemsOf(() => listener(managerListener({ http_filters }))),
      problems,
      what,
    );
  }
  const perRoute = {
    name: 'r',
    virtual_hosts: [],
    typed_per_filter_config: { f: { '@type': `${HTTP}.compressor.v3.CompressorPerRoute` } },
  };
  t.same(
    problemsOf(() => routes(perRoute)),
    ['typed_per_filter_config["f"]: one of disabled, overrides is required'],
  );
});
