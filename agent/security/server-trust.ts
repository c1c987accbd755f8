// [m] From options to what a connection needs: the roots and identity as their files are now, and the token as it is now.
import { fs } from '../../proxy/base/node-builtins.ts';
import type { ClientTls } from '../../xds-protos/grpc-channel.ts';
import { fetchBounded } from '../http-client.ts';
import { certificatesIn } from './pem.ts';
import { readSecureFile } from './secure-files.ts';
import type { ServerTrust, TokenSource } from './security-options.ts';
import { NO_SYSTEM_ROOTS, systemBundle } from './system-roots.ts';

export type TlsResult =
  | { readonly ok: true; readonly tls: ClientTls }
  | { readonly ok: false; readonly reason: string };

/** Read anew each time: mounted files change, and connections come back seldom. */
export function loadClientTls(trust: ServerTrust): TlsResult {
  const { roots, serverName } = trust;
  const source =
    roots.find((root) => root.kind === 'system' || fs.existsSync(root.path)) ?? roots.at(-1)!;
  const path = source.kind === 'file' ? source.path : systemBundle();
  if (path === undefined)
    return { ok: false, reason: `root of the control plane: ${NO_SYSTEM_ROOTS}` };
  const root = readSecureFile(path);
  if (!root.ok) return { ok: false, reason: `root of the control plane: ${root.reason}` };
  if (certificatesIn(root.text).length === 0)
    return { ok: false, reason: `${path}: holds no certificate` };
  const rootPem = root.text;
  if (trust.identity === undefined)
    return { ok: true, tls: { rootPem, identity: undefined, serverName } };
  const chain = readSecureFile(trust.identity.chain);
  if (!chain.ok) return chain;
  const key = readSecureFile(trust.identity.key);
  if (!key.ok) return key;
  const identity = { chainPem: chain.text, keyPem: key.text };
  return { ok: true, tls: { rootPem, identity, serverName } };
}

const MAX_TOKEN_BYTES = 16_384;
const METADATA_TIMEOUT_MS = 5000;
const TOKEN = /^[\x21-\x7e]+$/;

/** `Bearer …`; undefined where there is no token. Rejects in words that hold none of it. */
export async function readAuthorization(source: TokenSource): Promise<string | undefined> {
  const token = source.kind === 'gce' ? await fetchGceToken(source) : tokenInFile(source);
  if (token === undefined) return undefined;
  if (!TOKEN.test(token)) throw new Error('the token has characters that no header can carry');
  return `Bearer ${token}`;
}

/** What to say beside `unauthenticated`, where nothing was shown by which this workload could be known; else ''. */
export function nothingShown(
  authorization: string | undefined,
  tls: ClientTls | undefined,
  source: TokenSource,
): string {
  if (tls === undefined) return ' (in plaintext no token is shown)';
  if (authorization !== undefined || tls.identity !== undefined) return '';
  const why = source.kind === 'file' ? `, as ${source.path} holds none` : '';
  return ` (no token was shown${why})`;
}

function tokenInFile(source: Exclude<TokenSource, { kind: 'gce' }>): string | undefined {
  if (source.kind === 'none' || !fs.existsSync(source.path)) return undefined;
  const file = readSecureFile(source.path);
  if (!file.ok) throw new Error(file.reason);
  const token = file.text.replace(/\s+$/, '');
  return token === '' ? undefined : token;
}

async function fetchGceToken(source: Extract<TokenSource, { kind: 'gce' }>): Promise<string> {
  const [, host, port] = /^(.*?)(?::([0-9]+))?$/.exec(source.host) ?? [];
  const answer = await fetchBounded(
    {
      host: host ?? source.host,
      port: port === undefined ? 80 : Number(port),
      method: 'GET',
      path: `/computeMetadata/v1/instance/service-accounts/default/identity?audience=${encodeURIComponent(source.audience)}&format=full`,
      headers: { 'metadata-flavor': 'Google' },
      timeoutMs: METADATA_TIMEOUT_MS,
    },
    MAX_TOKEN_BYTES,
  );
  if (!answer.ok) throw new Error(`the metadata server gave no token: ${answer.reason}`);
  if (answer.status !== 200)
    throw new Error(`the metadata server gave no token: status ${answer.status}`);
  return answer.body.toString('latin1').replace(/\s+$/, '');
}
