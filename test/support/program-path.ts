// Where a program under test is started from.
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** `entry` is relative to the root, without extension. Bundled where the runner has bundled (test/run.ts), else the source. */
export function programPath(entry: string): string {
  const emitted = process.env['OUTRIGGER_EMITTED'] === '1';
  return emitted ? join(ROOT, 'dist', `${entry}.js`) : join(ROOT, `${entry}.ts`);
}
