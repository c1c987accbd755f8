// [m] Asks the certificate authority for one certificate (istio-contract §6.9): a fresh key, a request with the workload's name, the token as
// it is now. A connection for each call, as there is one in half a day, so that changed roots need no watching.
import type { GrpcThread } from '../../proxy/grpc/grpc-thread.ts';
import { openChannel } from '../../proxy/grpc/open-channel.ts';
import { callOnce } from '../../proxy/grpc/unary-call.ts';
import { statusCode } from '../../xds-protos/ads-stream.ts';
import { CERTIFICATE_METHOD } from '../../xds-protos/certificate-method.ts';
import { decode, encode } from '../../xds-protos/codec.ts';
import type { ClientTls } from '../../xds-protos/grpc-channel.ts';
import { createCertificateRequest } from './certificate-request.ts';
import { generateWorkloadKey } from './key-pair.ts';
import { certificatesIn, pairProblem, validityOf } from './pem.ts';
import type { SecurityOptions } from './security-options.ts';
import { loadClientTls, nothingShown, readAuthorization } from './server-trust.ts';

/** As stock bounds one CSR with its retries. */
const CALL_TIMEOUT_MS = 10_000;
/** A chain and its roots. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

export interface IssuedCertificate {
  /** Leaf and intermediates. */
  readonly chainPem: string;
  /** Secret. */
  readonly keyPem: string;
  readonly rootPem: string;
  readonly notAfterMs: number;
}

/** Rejects with an Error whose message may be logged. */
export async function requestCertificate(
  options: SecurityOptions,
  grpc: GrpcThread,
): Promise<IssuedCertificate> {
  const { authority, spiffeName } = options;
  let tls: ClientTls | undefined;
  if (authority.trust !== undefined) {
    const loaded = loadClientTls(authority.trust);
    if (!loaded.ok) throw new Error(loaded.reason);
    ({ tls } = loaded);
  }
  const headers = new Map(authority.headers);
  const authorization = await readAuthorization(options.token);
  // A token in plaintext is a token of everybody.
  if (authorization !== undefined && tls !== undefined) headers.set('authorization', authorization);
  const key = await generateWorkloadKey(options.key);
  const message = encode(CERTIFICATE_METHOD.request, {
    csr: createCertificateRequest(spiffeName, key),
    validity_duration: BigInt(Math.ceil(options.lifeMs / 1000)),
    ...(authority.signer === '' ? {} : { metadata: { CertSigner: authority.signer } }),
  });
  const { path } = CERTIFICATE_METHOD;
  const { address: target } = authority;
  const channel = openChannel(grpc, { target, tls, maxMessageBytes: MAX_ANSWER_BYTES });
  try {
    const call = { path, metadata: headers, message, timeoutMs: CALL_TIMEOUT_MS };
    const answer = await callOnce(channel, call, grpc.time);
    if (!answer.ok) {
      const { code, reason } = answer.status;
      const why =
        code === statusCode.unauthenticated ? nothingShown(authorization, tls, options.token) : '';
      throw new Error(`${target}: gRPC status ${code}: ${reason}${why}`);
    }
    const { cert_chain: chain } = decode(CERTIFICATE_METHOD.response, answer.message);
    return checked(chain ?? [], key.pem, target);
  } finally {
    channel.close();
  }
}

function checked(chain: readonly string[], keyPem: string, address: string): IssuedCertificate {
  const pems = chain.flatMap(certificatesIn);
  const rootPem = pems.at(-1);
  if (rootPem === undefined || pems.length < 2)
    throw new Error(
      `${address}: answered ${pems.length} certificates; leaf and root are the least`,
    );
  const chainPem = pems.slice(0, -1).join('');
  const problem = pairProblem(chainPem, keyPem);
  if (problem !== undefined) throw new Error(`${address}: in its answer ${problem}`);
  const validity = validityOf([pems[0]!]);
  if (validity === undefined) throw new Error(`${address}: its certificate cannot be read`);
  return { chainPem, keyPem, rootPem, notAfterMs: validity.notAfterMs };
}
