// [m] FileSecrets: secrets whose material lies in files, read when asked for and again when a file is another. A pair that does not fit
// together, or no longer reads, leaves what was there before in force.
import type { TimerHandle, TimeSource } from '../../proxy/base/clock.ts';
import { FileWatch } from '../../proxy/base/file-watch.ts';
import type { Closable } from '../../proxy/base/lifetime.ts';
import type { Logger } from '../../proxy/base/logger.ts';
import { fs } from '../../proxy/base/node-builtins.ts';
import type { AgentMetrics } from '../agent-metrics.ts';
import { certificatesIn, pairProblem } from './pem.ts';
import { readSecureFile } from './secure-files.ts';
import type { MaterialResult, SecretMaterial } from './secret-material.ts';
import { NO_SYSTEM_ROOTS, systemBundle } from './system-roots.ts';

/** What files a secret is made of. */
export type FileSecret =
  | { readonly kind: 'certificate'; readonly chain: string; readonly key: string }
  | { readonly kind: 'roots'; readonly root: string };

export interface FileSecretsParts {
  readonly debounceMs: number;
  readonly crlFile: string;
  readonly metrics: AgentMetrics;
  readonly logger: Logger;
  readonly time: TimeSource;
  /** The files of that secret are others now, and good. */
  readonly onChange: (name: string) => void;
}

interface Watched {
  readonly files: FileSecret;
  readonly watch: FileWatch;
  material: SecretMaterial | undefined;
  retry: TimerHandle | undefined;
}

/** The names come from configuration; who names more than this has a mistake in it. */
const MAX_SECRETS = 1000;
/** A pair is written one file after the other. */
const RETRY_MS = 1000;

export class FileSecrets implements Closable {
  readonly #parts: FileSecretsParts;
  readonly #watched = new Map<string, Watched>();

  constructor(parts: FileSecretsParts) {
    this.#parts = parts;
  }

  get(name: string, files: FileSecret): MaterialResult {
    const known = this.#watched.get(name);
    if (known?.material !== undefined) return { ok: true, material: known.material };
    const read = this.#read(files);
    if (!read.ok) this.#parts.metrics.fileSecretFailures.inc();
    if (known !== undefined) {
      if (read.ok) known.material = read.material;
    } else if (this.#watched.size < MAX_SECRETS) {
      this.#add(name, files, read);
    } else {
      return { ok: false, reason: `more than ${MAX_SECRETS} secrets in files are asked for` };
    }
    return read;
  }

  /** What is held, for whoever watches certificates. */
  *materials(): IterableIterator<readonly [name: string, material: SecretMaterial]> {
    for (const [name, { material }] of this.#watched)
      if (material !== undefined) yield [name, material];
  }

  close(): void {
    for (const { watch, retry } of this.#watched.values()) {
      watch.close();
      retry?.cancel();
    }
    this.#watched.clear();
  }

  #add(name: string, files: FileSecret, read: MaterialResult): void {
    const { time, debounceMs, metrics, crlFile } = this.#parts;
    const paths = files.kind === 'roots' ? [files.root, crlFile] : [files.chain, files.key];
    const parts = { time, debounceMs, onFailure: () => metrics.fileWatcherFailures.inc() };
    this.#watched.set(name, {
      files,
      watch: new FileWatch(paths, parts, () => this.#changed(name)),
      material: read.ok ? read.material : undefined,
      retry: undefined,
    });
  }

  #changed(name: string): void {
    const known = this.#watched.get(name);
    if (known === undefined) return;
    known.retry?.cancel();
    const { logger, metrics, time } = this.#parts;
    const read = this.#read(known.files);
    if (read.ok) {
      known.material = read.material;
      logger.info(`${name}: its files changed`);
      this.#parts.onChange(name);
      return;
    }
    metrics.fileSecretFailures.inc();
    const after = known.material === undefined ? '' : '; what was read before stays in use';
    logger.warn(`${name}: ${read.reason}${after}`);
    known.retry = time.setTimer(() => this.#changed(name), RETRY_MS);
  }

  #read(files: FileSecret): MaterialResult {
    if (files.kind === 'roots') return this.#readRoots(files.root);
    const chain = readSecureFile(files.chain);
    if (!chain.ok) return chain;
    const key = readSecureFile(files.key);
    if (!key.ok) return key;
    const problem = pairProblem(chain.text, key.text);
    if (problem !== undefined)
      return { ok: false, reason: `${files.chain}, ${files.key}: ${problem}` };
    return {
      ok: true,
      material: { kind: 'certificate', chainPem: chain.text, keyPem: key.text },
    };
  }

  #readRoots(path: string): MaterialResult {
    const root = readSecureFile(path);
    if (!root.ok) return root;
    const pems = certificatesIn(root.text);
    // Nothing but certificates leaves: a name in configuration is no way to read other files.
    if (pems.length === 0) return { ok: false, reason: `${path}: holds no certificate` };
    const { crlFile } = this.#parts;
    const material = {
      kind: 'roots',
      rootPem: pems.join(''),
      crlFile: fs.existsSync(crlFile) ? crlFile : undefined,
    } as const;
    return { ok: true, material };
  }
}

/** `file-cert:CERT~KEY`, `file-root:PATH`, `file-root:system`; undefined: no such name. Throws in words for a broken one. */
export function fileSecretOf(name: string): FileSecret | undefined {
  if (name.startsWith('file-root:')) {
    const path = name.slice('file-root:'.length);
    if (path === '' || path.includes('~')) throw new Error(`${name}: must be file-root:<path>`);
    const root = path === 'system' ? systemBundle() : path;
    if (root === undefined) throw new Error(`${name}: ${NO_SYSTEM_ROOTS}`);
    return { kind: 'roots', root };
  }
  if (!name.startsWith('file-cert:')) return undefined;
  const [chain, key, more] = name.slice('file-cert:'.length).split('~');
  if (!chain || !key || more !== undefined)
    throw new Error(`${name}: must be file-cert:<certificate>~<key>`);
  return { kind: 'certificate', chain, key };
}
