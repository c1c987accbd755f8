// [m] A workload's private key: a fresh one for each certificate (istio-contract §6.9, Keys).
import { crypto, util } from '../../proxy/base/node-builtins.ts';
import type { KeyObject } from './x509-parts.ts';

export interface KeyOptions {
  readonly algorithm: 'RSA' | 'ECDSA';
  readonly rsaBits: number;
  readonly curve: 'P256' | 'P384';
  readonly pkcs8: boolean;
}

export interface WorkloadKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** Secret. */
  readonly pem: string;
}

/** Off this thread: RSA takes a tenth of a second. */
export async function generateWorkloadKey(options: KeyOptions): Promise<WorkloadKey> {
  const generate = util.promisify(crypto().generateKeyPair);
  if (options.algorithm === 'RSA') {
    const pair = await generate('rsa', { modulusLength: options.rsaBits });
    const type = options.pkcs8 ? 'pkcs8' : 'pkcs1';
    return { ...pair, pem: String(pair.privateKey.export({ type, format: 'pem' })) };
  }
  const pair = await generate('ec', { namedCurve: options.curve === 'P384' ? 'P-384' : 'P-256' });
  const type = options.pkcs8 ? 'pkcs8' : 'sec1';
  return { ...pair, pem: String(pair.privateKey.export({ type, format: 'pem' })) };
}
