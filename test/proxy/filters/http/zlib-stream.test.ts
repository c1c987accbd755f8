// [w] What is used of the native handles behind node:zlib, and the decoding of cut, broken and oversized bodies.
import zlib from 'node:zlib';
import t from 'tap';
import type {
  CompressorLibraryConfig,
  DecompressorLibraryConfig,
} from '../../../../proxy/config/compression-config.ts';
import { StreamDecompressor } from '../../../../proxy/filters/http/stream-decompressor.ts';
import { StreamCompressor } from '../../../../proxy/filters/http/zlib-stream.ts';

const compressors: readonly CompressorLibraryConfig[] = [
  { name: 'g', kind: 'gzip', memoryLevel: 5, level: -1, strategy: 0, windowBits: 12 },
  { name: 'g9', kind: 'gzip', memoryLevel: 9, level: 9, strategy: 2, windowBits: 9 },
  {
    name: 'b',
    kind: 'brotli',
    quality: 3,
    mode: 0,
    windowBits: 18,
    inputBlockBits: 24,
    disableLiteralContextModeling: false,
  },
  {
    name: 'b11',
    kind: 'brotli',
    quality: 11,
    mode: 1,
    windowBits: 10,
    inputBlockBits: 16,
    disableLiteralContextModeling: true,
  },
  { name: 'z', kind: 'zstd', level: 3, checksum: false, strategy: 0 },
  { name: 'z22', kind: 'zstd', level: 22, checksum: true, strategy: 9 },
];

const decompressor = (
  kind: DecompressorLibraryConfig['kind'],
  changes: Partial<DecompressorLibraryConfig> = {},
): DecompressorLibraryConfig => ({
  name: kind,
  kind,
  windowBits: 15,
  chunkBytes: kind === 'zstd' ? 131_072 : 4096,
  maxRatio: 100,
  ...changes,
});

const whole = {
  gzip: (bytes: Buffer) => zlib.gunzipSync(bytes),
  brotli: (bytes: Buffer) => zlib.brotliDecompressSync(bytes),
  zstd: (bytes: Buffer) => zlib.zstdDecompressSync(bytes),
} as const;
const packed = {
  gzip: (bytes: Buffer) => zlib.gzipSync(bytes),
  brotli: (bytes: Buffer) => zlib.brotliCompressSync(bytes),
  zstd: (bytes: Buffer) => zlib.zstdCompressSync(bytes),
} as const;

/** Neither constant nor random. */
const sample = (length: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => (i * i * 31 + (i >> 3)) & 0xff));

interface Decoded {
  readonly bytes: Buffer;
  readonly faults: number;
}

function decode(config: DecompressorLibraryConfig, ...chunks: Buffer[]): Decoded {
  const stream = new StreamDecompressor(config);
  const pieces: Buffer[] = [];
  let faults = 0;
  for (const chunk of chunks) if (!stream.decompress(chunk, pieces)) faults++;
  stream.close();
  stream.close();
  return { bytes: Buffer.concat(pieces), faults };
}

const bytewise = (bytes: Buffer): Buffer[] => Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));

t.test('compresses piece by piece', async (t) => {
  const body = sample(100_000);
  for (const config of compressors) {
    const stream = new StreamCompressor(config);
    const pieces = [
      stream.compress(body.subarray(0, 1), false),
      stream.compress(body.subarray(1, 70_000), false),
      stream.compress(Buffer.alloc(0), false),
      stream.compress(body.subarray(70_000), true),
    ];
    stream.close();
    t.ok(whole[config.kind](Buffer.concat(pieces)).equals(body), config.name);
  }
});

t.test('what was compressed so far can be read, but for zstd', async (t) => {
  for (const config of compressors) {
    const stream = new StreamCompressor(config);
    const first = stream.compress(Buffer.from('hello'), false);
    const { bytes } = decode(decompressor(config.kind), first);
    t.equal(bytes.toString(), config.kind === 'zstd' ? '' : 'hello', config.name);
    stream.close();
  }
});

t.test('two streams at once do not mix', async (t) => {
  const [a, b] = [new StreamCompressor(compressors[0]!), new StreamCompressor(compressors[0]!)];
  const first = [a.compress(Buffer.from('one '), false)];
  const second = [b.compress(Buffer.from('two '), false)];
  first.push(a.compress(Buffer.from('more'), true));
  second.push(b.compress(Buffer.from('less'), true));
  t.equal(zlib.gunzipSync(Buffer.concat(first)).toString(), 'one more');
  t.equal(zlib.gunzipSync(Buffer.concat(second)).toString(), 'two less');
});

t.test('decodes what comes, however it is cut', async (t) => {
  const body = sample(20_000);
  for (const kind of ['gzip', 'brotli', 'zstd'] as const) {
    const bytes = packed[kind](body);
    for (const chunks of [[bytes], [bytes.subarray(0, 7), bytes.subarray(7)], bytewise(bytes)]) {
      const decoded = decode(decompressor(kind), ...chunks);
      t.ok(decoded.bytes.equals(body), `${kind} in ${chunks.length}`);
      t.equal(decoded.faults, 0);
    }
  }
});

t.test('reads every field of a gzip header', async (t) => {
  const deflated = zlib.deflateRawSync(Buffer.from('hello'));
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(zlib.crc32('hello'), 0);
  trailer.writeUInt32LE(5, 4);
  const headers: readonly (readonly [flags: number, more: readonly number[]])[] = [
    [0x04, [2, 0, 1, 2]],
    [0x04, [0, 0]],
    [0x08, [0x61, 0]],
    [0x10, [0]],
    [0x02, [1, 2]],
    [0x1e, [3, 0, 0, 0, 0, 0x61, 0, 0x62, 0, 1, 2]],
  ];
  for (const [flags, more] of headers) {
    const header = Buffer.from([0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3, ...more]);
    const bytes = Buffer.concat([header, deflated, trailer]);
    for (const chunks of [[bytes], bytewise(bytes)]) {
      const { bytes: out, faults } = decode(decompressor('gzip'), ...chunks);
      t.same([out.toString(), faults], ['hello', 0], `flags ${flags}, ${chunks.length} pieces`);
    }
  }
  t.equal(
    decode(decompressor('gzip'), Buffer.from([0x1f, 0x8b, 8, 0x20])).faults,
    1,
    'unknown flags',
  );
});

t.test('broken bodies', async (t) => {
  const body = Buffer.from('hello compressible world '.repeat(8));
  const gzip = packed.gzip(body);
  const gz = decompressor('gzip');
  const wrongCrc = Buffer.concat([gzip.subarray(0, -8), Buffer.from('abcdabcd')]);
  t.same(decode(gz, wrongCrc), { bytes: body, faults: 1 }, 'a wrong checksum');
  t.same(decode(gz, ...bytewise(wrongCrc)), { bytes: body, faults: 1 }, 'a wrong checksum, cut');
  t.same(
    decode(gz, Buffer.concat([gzip, Buffer.from('rest')])),
    { bytes: body, faults: 0 },
    'a rest',
  );
  t.same(decode(gz, gzip, gzip), { bytes: body, faults: 0 }, 'a second member');
  t.equal(decode(gz, gzip.subarray(0, 30)).faults, 0, 'cut short');
  for (const kind of ['gzip', 'brotli', 'zstd'] as const) {
    const garbage = decode(
      decompressor(kind),
      Buffer.from('garbage data here'),
      Buffer.from('more'),
    );
    t.equal(garbage.bytes.length, 0, kind);
    t.ok(garbage.faults > 0);
  }
});

t.test('bombs are cut', async (t) => {
  for (const kind of ['gzip', 'brotli', 'zstd'] as const) {
    const bomb = packed[kind](Buffer.alloc(10_000_000));
    const config = decompressor(kind);
    const { bytes, faults } = decode(config, bomb);
    t.ok(
      bytes.length <= bomb.length * config.maxRatio + config.chunkBytes,
      `${kind}: ${bytes.length}`,
    );
    t.equal(faults, 1);
    const later = decode(config, bomb, bomb, bomb);
    t.ok(later.bytes.length <= 3 * (bomb.length * config.maxRatio + config.chunkBytes));
  }
  const gentle = packed.gzip(Buffer.alloc(200_000));
  t.equal(decode(decompressor('gzip', { maxRatio: 1032 }), gentle).bytes.length, 200_000);
});
