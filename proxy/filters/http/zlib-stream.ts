// [w] Compression without Node's streams: theirs work on other threads and answer later, while a filter has to give its
// output within the call, in order, and under back-pressure. Their native handles do that; they are no public API, so
// zlib-stream.test.ts holds what is used here.
import { zlib } from '../../base/node-builtins.ts';
import type {
  CompressorLibraryConfig,
  DecompressorLibraryConfig,
} from '../../config/compression-config.ts';

interface NativeHandle {
  writeSync(
    flush: number,
    input: Buffer,
    inputOffset: number,
    inputLength: number,
    output: Buffer,
    outputOffset: number,
    outputLength: number,
  ): void;
  close(): void;
  onerror: () => void;
}

/** What a Node stream of node:zlib has inside. */
interface NativeOwner {
  readonly _handle: NativeHandle;
  /** Room left in the output, bytes left of the input; of the last call. */
  readonly _writeState: Uint32Array;
}

/** The Node stream's own buffer is never used. */
const CHUNK = { chunkSize: 64 };
const OUTPUT_BYTES = 16_384;
const EMPTY = Buffer.alloc(0);

/** By size; shared by all streams of the worker: what is in them is copied before the call returns. */
const scratches = new Map<number, Buffer>();

function scratchOf(bytes: number): Buffer {
  let scratch = scratches.get(bytes);
  if (scratch === undefined) {
    scratch = Buffer.allocUnsafeSlow(bytes);
    scratches.set(bytes, scratch);
  }
  return scratch;
}

class ZlibStream {
  readonly #handle: NativeHandle;
  readonly #state: Uint32Array;
  #failed = false;
  #closed = false;
  /** Bytes that the last step has not taken. */
  left = 0;

  constructor(stream: object) {
    const owner = stream as NativeOwner;
    this.#handle = owner._handle;
    this.#state = owner._writeState;
    this.#handle.onerror = (): void => {
      this.#failed = true;
    };
  }

  /** Bytes written into `output`; -1: the data is broken, and what came out of it until then is lost. */
  step(flush: number, input: Buffer, offset: number, output: Buffer): number {
    if (this.#failed || this.#closed) return -1;
    const room = output.length;
    this.#handle.writeSync(flush, input, offset, input.length - offset, output, 0, room);
    // onerror was called meanwhile.
    if (this.#failed as boolean) return -1;
    this.left = this.#state[1]!;
    return room - this.#state[0]!;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handle.close();
  }
}

/** Operations by library: everything out that there is so far (zstd keeps it until the end, as in Envoy); the end. */
const FLUSH = { gzip: 2, brotli: 1, zstd: 0 } as const;
const FINISH = { gzip: 4, brotli: 2, zstd: 2 } as const;

export class StreamCompressor {
  readonly #stream: ZlibStream;
  readonly #flush: number;
  readonly #finish: number;

  constructor(config: CompressorLibraryConfig) {
    this.#stream = new ZlibStream(compressorOf(config));
    this.#flush = FLUSH[config.kind];
    this.#finish = FINISH[config.kind];
  }

  /** Envoy flushes what it has after each piece, and ends a body apart from its last bytes. */
  compress(chunk: Buffer, end: boolean): Buffer {
    const pieces: Buffer[] = [];
    if (chunk.length > 0) this.#run(this.#flush, chunk, pieces);
    if (end) this.#run(this.#finish, EMPTY, pieces);
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  close(): void {
    this.#stream.close();
  }

  #run(flush: number, input: Buffer, pieces: Buffer[]): void {
    const output = scratchOf(OUTPUT_BYTES);
    let offset = 0;
    for (;;) {
      const produced = this.#stream.step(flush, input, offset, output);
      if (produced < 0) return;
      offset = input.length - this.#stream.left;
      if (produced > 0) pieces.push(Buffer.from(output.subarray(0, produced)));
      if (produced < OUTPUT_BYTES) return;
    }
  }
}

function compressorOf(config: CompressorLibraryConfig): object {
  const { constants, createGzip, createBrotliCompress, createZstdCompress } = zlib();
  switch (config.kind) {
    case 'gzip': {
      const { memoryLevel: memLevel, level, strategy, windowBits } = config;
      return createGzip({ ...CHUNK, memLevel, level, strategy, windowBits });
    }
    case 'brotli': {
      const params = {
        [constants.BROTLI_PARAM_QUALITY]: config.quality,
        [constants.BROTLI_PARAM_MODE]: config.mode,
        [constants.BROTLI_PARAM_LGWIN]: config.windowBits,
        [constants.BROTLI_PARAM_LGBLOCK]: config.inputBlockBits,
        [constants.BROTLI_PARAM_DISABLE_LITERAL_CONTEXT_MODELING]:
          config.disableLiteralContextModeling,
      };
      return createBrotliCompress({ ...CHUNK, params });
    }
    case 'zstd': {
      const params = {
        [constants.ZSTD_c_compressionLevel]: config.level,
        [constants.ZSTD_c_checksumFlag]: config.checksum ? 1 : 0,
        ...(config.strategy === 0 ? {} : { [constants.ZSTD_c_strategy]: config.strategy }),
      };
      return createZstdCompress({ ...CHUNK, params });
    }
  }
}

export const InflateResult = { Ok: 0, End: 1, Broken: 2, Bomb: 3 } as const;
export type InflateResult = (typeof InflateResult)[keyof typeof InflateResult];

/** The bare data of one library: gzip comes without its header and trailer. */
export class Inflater {
  readonly #stream: ZlibStream;
  readonly #chunkBytes: number;
  readonly #maxRatio: number;
  readonly #judgesParts: boolean;
  readonly #flush: number;
  /** Of the whole body so far. */
  #inputBytes = 0;
  #outputBytes = 0;
  /** Bytes of the last input that it took. */
  taken = 0;

  constructor(config: DecompressorLibraryConfig) {
    this.#stream = new ZlibStream(inflaterOf(config));
    this.#chunkBytes = config.chunkBytes;
    this.#maxRatio = config.maxRatio;
    this.#judgesParts = config.kind === 'zstd';
    this.#flush = config.kind === 'gzip' ? FLUSH.gzip : 0;
  }

  /**
   * What comes out of `input` is added to `pieces`. The ratio is looked at whenever a chunk of output is full, as in
   * Envoy, but over the whole body: how it was cut must not matter. `inputBytes` are what counts as input.
   */
  inflate(input: Buffer, inputBytes: number, pieces: Buffer[]): InflateResult {
    const room = this.#chunkBytes;
    const output = scratchOf(room);
    this.#inputBytes += inputBytes;
    const limit = this.#inputBytes * this.#maxRatio;
    this.taken = 0;
    for (;;) {
      const produced = this.#stream.step(this.#flush, input, this.taken, output);
      if (produced < 0) return InflateResult.Broken;
      const before = this.taken;
      this.taken = input.length - this.#stream.left;
      if (produced > 0) pieces.push(Buffer.from(output.subarray(0, produced)));
      this.#outputBytes += produced;
      if ((produced === room || this.#judgesParts) && this.#outputBytes > limit)
        return InflateResult.Bomb;
      if (produced === room) continue;
      if (this.taken === input.length) return InflateResult.Ok;
      if (produced === 0 && this.taken === before) return InflateResult.End;
    }
  }

  close(): void {
    this.#stream.close();
  }
}

function inflaterOf(config: DecompressorLibraryConfig): object {
  const { createInflateRaw, createBrotliDecompress, createZstdDecompress } = zlib();
  switch (config.kind) {
    case 'gzip':
      return createInflateRaw({ ...CHUNK, windowBits: config.windowBits });
    case 'brotli':
      return createBrotliDecompress(CHUNK);
    case 'zstd':
      return createZstdDecompress(CHUNK);
  }
}
