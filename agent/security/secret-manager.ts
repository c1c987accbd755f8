// [m] SecretManager: every secret that the agent gives its proxy, by name, from files or from the authority; tells when one changes
// (istio-contract §6.9). Istio: security/pkg/nodeagent/cache.
import { join } from 'node:path';

import type { TimeSource } from '../../proxy/base/clock.ts';
import type { Closable } from '../../proxy/base/lifetime.ts';
import type { Logger } from '../../proxy/base/logger.ts';
import { fs } from '../../proxy/base/node-builtins.ts';
import type { RandomSource } from '../../proxy/base/random.ts';
import type { GrpcThread } from '../../proxy/grpc/grpc-thread.ts';
import type { AgentMetrics } from '../agent-metrics.ts';
import { requestCertificate } from './authority-client.ts';
import type { IssuedCertificate } from './authority-client.ts';
import { FileSecrets, fileSecretOf } from './file-secrets.ts';
import type { FileSecret } from './file-secrets.ts';
import { certificatesIn, joinRoots, validityOf } from './pem.ts';
import { writeSecureFile } from './secure-files.ts';
import type { MaterialResult, SecretMaterial, WatchedCertificate } from './secret-material.ts';
import type { SecurityOptions } from './security-options.ts';
import { WorkloadCertificate } from './workload-certificate.ts';

export const WORKLOAD_SECRET = 'default';
export const ROOT_SECRET = 'ROOTCA';

export interface SecretManagerParts {
  readonly options: SecurityOptions;
  readonly grpc: GrpcThread;
  readonly metrics: AgentMetrics;
  readonly logger: Logger;
  readonly time: TimeSource;
  readonly random: RandomSource;
  /** Tests bring their own authority. */
  readonly request?: () => Promise<IssuedCertificate>;
}

export class SecretManager implements Closable {
  readonly #parts: SecretManagerParts;
  readonly #workload: WorkloadCertificate;
  readonly #files: FileSecrets;
  readonly #listeners = new Set<(name: string) => void>();
  /** Roots that istiod tells of besides the authority's own. */
  #bundle: readonly string[] = [];

  constructor(parts: SecretManagerParts) {
    this.#parts = parts;
    const { options, metrics, logger, time, random } = parts;
    this.#workload = new WorkloadCertificate({
      request: parts.request ?? (() => requestCertificate(options, parts.grpc)),
      graceRatio: options.graceRatio,
      graceJitter: options.graceJitter,
      metrics,
      logger,
      time,
      random,
      onChange: (now, before) => this.#onIssued(now, before),
    });
    this.#files = new FileSecrets({
      debounceMs: options.fileDebounceMs,
      crlFile: options.crlFile,
      metrics,
      logger,
      time,
      onChange: (name) => this.#changed(name),
    });
  }

  /** Has a certificate ready before anybody asks. */
  prefetch(): void {
    if (this.#mounted(WORKLOAD_SECRET) === undefined && !this.#parts.options.onlyMounted)
      void this.#workload.get();
    else if (this.#parts.options.outputDir !== '') void this.#output();
  }

  /** Waits for the authority where it has to; a file that is not there is told at once. */
  async get(name: string): Promise<MaterialResult> {
    try {
      const files = this.#mounted(name) ?? fileSecretOf(name);
      if (files !== undefined) return this.#withBundle(name, this.#files.get(name, files));
    } catch (error) {
      return { ok: false, reason: (error as Error).message };
    }
    if (name !== WORKLOAD_SECRET && name !== ROOT_SECRET)
      return { ok: false, reason: `${name}: there is no secret of that name` };
    if (this.#parts.options.onlyMounted)
      return { ok: false, reason: `${name}: FILE_MOUNTED_CERTS, and no file is mounted` };
    return { ok: true, material: this.#materialOf(name, await this.#workload.get()) };
  }

  /** The listener is told names; it asks again for what it wants. */
  onChange(listener: (name: string) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** From istiod: who else signs in this mesh. A new certificate may come from one of them. */
  setTrustBundle(pems: readonly string[]): void {
    const bundle = pems.flatMap(certificatesIn);
    if (bundle.join('') === this.#bundle.join('')) return;
    this.#bundle = bundle;
    this.#parts.logger.info(`trust bundle of ${bundle.length} certificates`);
    this.#changed(ROOT_SECRET);
    if (this.#workload.held !== undefined) this.#workload.renew();
  }

  /** Why there is no new workload certificate; undefined: all is well. */
  get problem(): string | undefined {
    return this.#workload.lastProblem;
  }

  /** All that is in use, to be watched for its end. */
  certificates(): WatchedCertificate[] {
    const watched: WatchedCertificate[] = [];
    const add = (name: string, material: SecretMaterial): void => {
      const pems = certificatesIn(material.kind === 'roots' ? material.rootPem : material.chainPem);
      const validity = validityOf(pems);
      if (validity !== undefined) watched.push({ name, kind: material.kind, ...validity });
    };
    const { held } = this.#workload;
    if (held !== undefined)
      for (const name of [WORKLOAD_SECRET, ROOT_SECRET]) add(name, this.#materialOf(name, held));
    for (const [name, material] of this.#files.materials()) add(name, material);
    return watched;
  }

  close(): void {
    this.#workload.close();
    this.#files.close();
    this.#listeners.clear();
  }

  /** The files that stand for a workload's own secrets, if there are any. */
  #mounted(name: string): FileSecret | undefined {
    const exists = (path: string): boolean => fs.existsSync(path);
    const { mounted } = this.#parts.options;
    if (name === WORKLOAD_SECRET) {
      const found = mounted.find(({ chain, key }) => exists(chain) && exists(key));
      return found && { kind: 'certificate', chain: found.chain, key: found.key };
    }
    if (name !== ROOT_SECRET) return undefined;
    const found = mounted.find(({ root }) => exists(root));
    return found && { kind: 'roots', root: found.root };
  }

  #withBundle(name: string, result: MaterialResult): MaterialResult {
    if (name !== ROOT_SECRET || !result.ok || result.material.kind !== 'roots') return result;
    const { material } = result;
    const rootPem = joinRoots([material.rootPem, ...this.#bundle]);
    return { ok: true, material: { ...material, rootPem } };
  }

  #materialOf(name: string, issued: IssuedCertificate): SecretMaterial {
    if (name === WORKLOAD_SECRET)
      return { kind: 'certificate', chainPem: issued.chainPem, keyPem: issued.keyPem };
    const { crlFile } = this.#parts.options;
    return {
      kind: 'roots',
      rootPem: joinRoots([issued.rootPem, ...this.#bundle]),
      crlFile: fs.existsSync(crlFile) ? crlFile : undefined,
    };
  }

  #onIssued(now: IssuedCertificate, before: IssuedCertificate | undefined): void {
    // Roots first: who gets the new certificate should be able to verify its peers by then.
    if (before === undefined || before.rootPem !== now.rootPem) this.#changed(ROOT_SECRET);
    this.#changed(WORKLOAD_SECRET);
  }

  #changed(name: string): void {
    for (const listener of this.#listeners) listener(name);
    const own = name === WORKLOAD_SECRET || name === ROOT_SECRET;
    if (own && this.#parts.options.outputDir !== '') void this.#output();
  }

  /** OUTPUT_CERTS: for programs that want files. */
  async #output(): Promise<void> {
    const { options, logger } = this.#parts;
    const [certificate, roots] = [await this.get(WORKLOAD_SECRET), await this.get(ROOT_SECRET)];
    if (!certificate.ok || !roots.ok) return;
    if (certificate.material.kind !== 'certificate' || roots.material.kind !== 'roots') return;
    try {
      const put = (file: string, text: string): void =>
        writeSecureFile(join(options.outputDir, file), text);
      put('key.pem', certificate.material.keyPem);
      put('cert-chain.pem', certificate.material.chainPem);
      put('root-cert.pem', roots.material.rootPem);
    } catch (error) {
      logger.error(`OUTPUT_CERTS ${options.outputDir}: ${(error as Error).message}`);
    }
  }
}
