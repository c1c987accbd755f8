// [b] Node's own modules without their ES facade: `import … from 'node:fs'` touches every property of the module, and lazy
// ones load what nobody asked for. Per thread, private: node:fs 0.9 MB (promises, streams, readline), node:util 0.5 MB,
// node:process 1.3 MB (all standard streams), node:crypto 0.2 MB more than its own 1.5 MB. docs/performance.md.
import type * as nodeCrypto from 'node:crypto';
import type * as nodeDns from 'node:dns';
import type * as nodeTls from 'node:tls';
import type * as nodeBuffer from 'node:buffer';
import type * as nodeFs from 'node:fs';
import type * as nodeModule from 'node:module';
import type * as nodeOs from 'node:os';
import type * as nodeUtil from 'node:util';
import type * as nodeWorkerThreads from 'node:worker_threads';
import type * as nodeZlib from 'node:zlib';

export const fs: typeof nodeFs = process.getBuiltinModule('node:fs');
export const util: typeof nodeUtil = process.getBuiltinModule('node:util');
export const isUtf8: typeof nodeBuffer.isUtf8 = process.getBuiltinModule('node:buffer').isUtf8;

/** Loaded by the first call (1.5 MB, 14 ms), so that a thread that never asks does not pay. */
export const crypto = (): typeof nodeCrypto => process.getBuiltinModule('node:crypto');

export const workerThreads = (): typeof nodeWorkerThreads =>
  process.getBuiltinModule('node:worker_threads');
export const os = (): typeof nodeOs => process.getBuiltinModule('node:os');

/** For packages, by the first that is needed. */
export const createRequire: typeof nodeModule.createRequire = (from) =>
  process.getBuiltinModule('node:module').createRequire(from);

/** Loaded by the first name to resolve. */
export const dns = (): typeof nodeDns => process.getBuiltinModule('node:dns');

/** Loaded by the first filter that compresses. */
export const zlib = (): typeof nodeZlib => process.getBuiltinModule('node:zlib');
export const tls = (): typeof nodeTls => process.getBuiltinModule('node:tls');
