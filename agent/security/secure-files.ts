// [m] Small files of secrets and roots: read whole within a bound, written whole with mode 0600. No message holds any of their content.
import { dirname } from 'node:path';

import { fs } from '../../proxy/base/node-builtins.ts';

/** A bundle of all public roots is a quarter of it. */
const MAX_FILE_BYTES = 1_048_576;

export type FileText =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly reason: string };

export function readSecureFile(path: string): FileText {
  try {
    const facts = fs.statSync(path);
    if (!facts.isFile()) return { ok: false, reason: `${path}: is no file` };
    if (facts.size > MAX_FILE_BYTES)
      return { ok: false, reason: `${path}: is larger than ${MAX_FILE_BYTES} bytes` };
    return { ok: true, text: fs.readFileSync(path, 'utf8') };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'is not there' : `cannot be read (${code ?? 'unknown'})`;
    return { ok: false, reason: `${path}: ${why}` };
  }
}

/** The owner's alone, and never half. The folder is made where it is not there. */
export function writeSecureFile(path: string, text: string): void {
  fs.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const partial = `${path}.partial`;
  fs.rmSync(partial, { force: true });
  fs.writeFileSync(partial, text, { mode: 0o600, flag: 'wx' });
  fs.renameSync(partial, path);
}
