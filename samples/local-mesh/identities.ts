// What makes pods of a local mesh known to its control plane: the root that they trust and a token for each, where a cluster would mount them.
import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { openCaFolder } from '../../agent/control-plane/ca/ca-folder.ts';
import type { CaMaterial } from '../../agent/control-plane/ca/ca-folder.ts';
import { signToken } from '../../agent/control-plane/ca/service-account-token.ts';

const TRUST_DOMAIN = 'cluster.local';
/** Nothing renews them, and a mesh may run for weeks. */
const TOKEN_LIFE_MS = 365 * 86_400_000;

/** Below the working directory of a sidecar; stock's paths. */
const TOKEN_FILE = 'var/run/secrets/tokens/istio-token';
const ROOT_FILE = 'var/run/secrets/istio/root-cert.pem';

export class MeshIdentities {
  readonly #material: CaMaterial;

  /** Makes the authority in `caDir`, which the control plane then uses. */
  constructor(caDir: string) {
    this.#material = openCaFolder(caDir, TRUST_DOMAIN, Date.now());
  }

  /** `owner`: uid that alone may read what is written; undefined: we. */
  give(
    sidecarDir: string,
    account: { readonly namespace: string; readonly name: string },
    owner: number | undefined,
  ): void {
    const now = Date.now();
    const validity = { fromMs: now, untilMs: now + TOKEN_LIFE_MS };
    const token = signToken(account, this.#material.tokenKey, validity);
    const files = [
      [TOKEN_FILE, token],
      [ROOT_FILE, this.#material.rootPem],
    ] as const;
    for (const [file, text] of files) {
      const path = join(sidecarDir, file);
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      writeFileSync(path, text, { mode: 0o600 });
      if (owner !== undefined) giveAway(sidecarDir, file, owner);
    }
  }
}

/** The file and the folders between it and `base`. */
function giveAway(base: string, file: string, owner: number): void {
  for (let part = file; part !== '.'; part = dirname(part))
    chownSync(join(base, part), owner, owner);
}
