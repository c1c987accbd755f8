// [b] The RE2 engine (re2js), loaded by the first expression that needs one: 1.7 MB private and 10 to 30 ms in each thread,
// and most configurations have none. Every user goes through here: an `import` beside it would load a second copy.
import { createRequire } from './node-builtins.ts';

type Engine = typeof import('re2js');

/** What Istio sets as `re2.max_program_size.error_level`; sizes of RE2 and of re2js differ a little. */
export const MAX_PROGRAM_SIZE = 32_768;
export const MAX_PATTERN_LENGTH = 32_768;

let engine: Engine | undefined;

/** Synchronous, for a configuration is compiled in one go. */
export const re2 = (): Engine => (engine ??= createRequire(import.meta.url)('re2js') as Engine);
