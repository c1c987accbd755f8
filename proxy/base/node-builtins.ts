// [b] Node's own modules without their ES facade: `import … from 'node:fs'` touches every property of the module, and lazy
// ones load what nobody asked for. Per thread, private: node:fs 0.9 MB (promises, streams, readline), node:util 0.5 MB,
// node:process 1.3 MB (all standard streams), node:crypto 0.2 MB more than its own 1.5 MB. docs/performance.md.
import type * as nodeCrypto from 'node:crypto';
import type * as nodeDns from 'node:dns';
import type * as nodeTls from 'node:tls';
import type * as nodeFs from 'node:fs';
import type * as nodeUtil from 'node:util';
import type * as nodeZlib from 'node:zlib';

export const fs: typeof nodeFs = process.getBuiltinModule('node:fs');
export const util: typeof nodeUtil = process.getBuiltinModule('node:util');

/** Loaded by the first call (1.5 MB, 14 ms), so that a thread that never asks does not pay. */
export const crypto = (): typeof nodeCrypto => process.getBuiltinModule('node:crypto');

/** Loaded by the first name to resolve. */
export const dns = (): typeof nodeDns => process.getBuiltinModule('node:dns');

/** Loaded by the first filter that compresses. */
export const zlib = (): typeof nodeZlib => process.getBuiltinModule('node:zlib');
export const tls = (): typeof nodeTls => process.getBuiltinModule('node:tls');
