// [m] Tokens of workloads: JWTs as Kubernetes projects them for Istio (`sub` names the service account, audience `istio-ca`), signed with
// ES256 by the control plane itself, since outside Kubernetes nobody else would.
import { crypto } from '../../../proxy/base/node-builtins.ts';
import type { KeyObject } from '../../security/x509-parts.ts';

export interface ServiceAccount {
  readonly namespace: string;
  readonly name: string;
}

const AUDIENCE = 'istio-ca';
const SUBJECT = /^system:serviceaccount:([a-z0-9.-]{1,253}):([a-z0-9.-]{1,253})$/;
const MAX_TOKEN_CHARS = 8192;
const HEADER = Buffer.from('{"alg":"ES256","typ":"JWT"}').toString('base64url');

export function signToken(
  { namespace, name }: ServiceAccount,
  key: KeyObject,
  validity: { readonly fromMs: number; readonly untilMs: number },
): string {
  const claims = {
    iss: 'outrigger',
    sub: `system:serviceaccount:${namespace}:${name}`,
    aud: [AUDIENCE],
    iat: Math.floor(validity.fromMs / 1000),
    exp: Math.floor(validity.untilMs / 1000),
  };
  const signed = `${HEADER}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
  const signature = crypto().sign('sha256', Buffer.from(signed), {
    key,
    dsaEncoding: 'ieee-p1363',
  });
  return `${signed}.${signature.toString('base64url')}`;
}

/** Undefined where the token is not good; why is nobody's business who does not have a good one. */
export function verifyToken(
  token: string,
  key: KeyObject,
  wallMs: number,
): ServiceAccount | undefined {
  if (token.length > MAX_TOKEN_CHARS) return undefined;
  const [header, claims, signature, more] = token.split('.', 4);
  // The header is compared whole: no other algorithm can be asked for.
  if (header !== HEADER || claims === undefined || signature === undefined || more !== undefined)
    return undefined;
  const good = crypto().verify(
    'sha256',
    Buffer.from(`${header}.${claims}`),
    { key, dsaEncoding: 'ieee-p1363' },
    Buffer.from(signature, 'base64url'),
  );
  return good ? accountOf(claims, wallMs) : undefined;
}

function accountOf(claims: string, wallMs: number): ServiceAccount | undefined {
  const { sub, aud, exp } = JSON.parse(Buffer.from(claims, 'base64url').toString('utf8')) as {
    readonly sub?: unknown;
    readonly aud?: unknown;
    readonly exp?: unknown;
  };
  if (typeof exp !== 'number' || exp * 1000 <= wallMs) return undefined;
  if (!Array.isArray(aud) || !aud.includes(AUDIENCE) || typeof sub !== 'string') return undefined;
  const [, namespace, name] = SUBJECT.exec(sub) ?? [];
  return namespace === undefined || name === undefined ? undefined : { namespace, name };
}
