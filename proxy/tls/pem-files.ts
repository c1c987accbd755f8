// [b] PEM texts of a secret, from where they are: inline or in a file, which is read when a context is built of it.
import { fs } from '../base/node-builtins.ts';
import type { PemSource } from '../config/secret-config.ts';
import { ConfigError } from '../config/config-error.ts';

/** The largest bundle of roots has 250 KB. */
const MAX_PEM_BYTES = 4 * 1024 * 1024;

/** Throws ConfigError with `place`; no message holds any of the content. */
export function readPem(source: PemSource, place: string): string {
  if (source.kind === 'inline') return source.pem;
  try {
    if (fs.statSync(source.path).size > MAX_PEM_BYTES)
      throw new ConfigError([{ path: place, message: `file ${source.path} is too large` }]);
    return fs.readFileSync(source.path, 'utf8');
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const message = `Invalid path: ${source.path}`;
    throw new ConfigError([{ path: place, message }]);
  }
}
