// An embedded control plane with its authority, over TLS, in this process; and what workloads of it are given.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { openCaFolder } from '../../agent/control-plane/ca/ca-folder.ts';
import type { CaMaterial } from '../../agent/control-plane/ca/ca-folder.ts';
import { signToken } from '../../agent/control-plane/ca/service-account-token.ts';
import { startControlPlane } from '../../agent/control-plane/control-plane.ts';
import { realTime } from '../../proxy/base/clock.ts';
import { captureLog } from './captured-log.ts';
import { privateDir } from './private-dir.ts';
import type { Teardowns } from './private-dir.ts';

export interface LocalAuthority {
  /** `127.0.0.1:port`, TLS. */
  readonly target: string;
  readonly material: CaMaterial;
  readonly lines: readonly string[];
  token(account?: string, untilMs?: number): string;
  close(): void;
}

export async function startLocalAuthority(
  t: Teardowns,
  settings: { readonly listen?: string; readonly caFolder?: string } = {},
): Promise<LocalAuthority> {
  const dir = privateDir(t);
  const configFolder = join(dir, 'config');
  mkdirSync(configFolder);
  const caFolder = settings.caFolder ?? join(dir, 'ca');
  const log = captureLog();
  const controlPlane = await startControlPlane(
    {
      configFolder,
      listen: '127.0.0.1:0',
      secure: { listen: settings.listen ?? '127.0.0.1:0', caFolder },
      defaultMtls: 'PERMISSIVE',
    },
    log.logger,
    realTime,
  );
  let closed = false;
  const close = (): void => {
    if (!closed) controlPlane.close();
    closed = true;
  };
  t.teardown(close);
  const material = openCaFolder(caFolder, 'cluster.local', Date.now());
  return {
    target: controlPlane.secureTarget!,
    material,
    lines: log.lines,
    token: (account = 'bookinfo-reviews', untilMs = Date.now() + 3_600_000) =>
      signToken({ namespace: 'default', name: account }, material.tokenKey, {
        fromMs: Date.now() - 1000,
        untilMs,
      }),
    close,
  };
}

export function putFile(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}
