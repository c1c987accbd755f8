// [m] A short-lived folder with a short path (unix sockets allow 107 bytes; tap's own folders are longer).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Teardowns {
  teardown(handler: () => void): void;
}

export function privateDir(t: Teardowns): string {
  const path = mkdtempSync(join(tmpdir(), 'og-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
