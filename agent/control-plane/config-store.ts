// [m] ConfigStore: a folder of YAML, read and watched; a file with an error keeps its last good content in force.
import { watch } from 'node:fs';
import type { FSWatcher, Stats } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';

import type { Closable } from '../../proxy/base/lifetime.ts';
import type { TimerHandle, TimeSource } from '../../proxy/base/clock.ts';
import { hasErrors } from './config-problem.ts';
import type { ConfigProblem } from './config-problem.ts';
import { readDocuments } from './document-reader.ts';
import type { FileContent } from './document-reader.ts';
import { byText } from './json.ts';
import type { ConfigItem } from './istio-model.ts';
import { defaultMeshConfig } from './mesh-config.ts';
import type { MeshConfig } from './mesh-config.ts';
import { MAX_FILE_BYTES, parseYamlFile } from './yaml-document.ts';

const MAX_FILES = 2000;
/** istiod's PILOT_DEBOUNCE_AFTER: an editor's several writes become one load. */
export const DEBOUNCE_MS = 100;
/** File events are lost on some mounts; modification times are looked at besides. */
const POLL_MS = 2000;

/** All that is in force after a load. */
export interface ConfigSet {
  readonly items: readonly ConfigItem[];
  readonly mesh: MeshConfig;
  readonly problems: readonly ConfigProblem[];
}

interface FileState {
  /** Modification time and size: what tells a changed file. */
  readonly stamp: string;
  readonly good: FileContent;
  readonly problems: readonly ConfigProblem[];
}

/** Editors' copies, and the folders behind the links of a mounted ConfigMap, which would show every file twice. */
const HIDDEN = /(^|\/)\./;

const stampOf = ({ mtimeMs, size, ino }: Stats): string => `${mtimeMs}/${size}/${ino}`;

const NOTHING: FileContent = { items: [], mesh: undefined };

export class ConfigStore implements Closable {
  readonly #folder: string;
  readonly #time: TimeSource;
  readonly #files = new Map<string, FileState>();
  #folderProblems: readonly ConfigProblem[] = [];
  #watcher: FSWatcher | undefined;
  #timer: TimerHandle | undefined;
  #poll: TimerHandle | undefined;
  #onChange: ((set: ConfigSet) => void) | undefined;
  #loading: Promise<boolean> | undefined;
  #closed = false;

  constructor(folder: string, time: TimeSource) {
    this.#folder = folder;
    this.#time = time;
  }

  /** Reads what changed since the last call. True when anything in force or any problem is different. */
  async load(): Promise<boolean> {
    while (this.#loading !== undefined) await this.#loading;
    this.#loading = this.#loadOnce();
    try {
      return await this.#loading;
    } finally {
      this.#loading = undefined;
    }
  }

  async #loadOnce(): Promise<boolean> {
    const { stamps, problems } = await this.#look();
    let changed = problems.length !== this.#folderProblems.length;
    this.#folderProblems = problems;
    for (const file of [...this.#files.keys()]) {
      // A folder that cannot be read is no reason to forget what it held.
      if (!stamps.has(file) && this.#folderProblems.length === 0)
        changed = this.#files.delete(file) || changed;
    }
    for (const [file, stamp] of stamps) {
      if (this.#files.get(file)?.stamp === stamp) continue;
      await this.#read(file, stamp);
      changed = true;
    }
    return changed;
  }

  async #look(): Promise<{ stamps: Map<string, string>; problems: readonly ConfigProblem[] }> {
    const stamps = new Map<string, string>();
    try {
      const entries = await readdir(this.#folder, { recursive: true, withFileTypes: true });
      const names = entries
        .filter((entry) => !entry.isDirectory() && /\.ya?ml$/.test(entry.name))
        .map((entry) => relative(this.#folder, join(entry.parentPath, entry.name)))
        .filter((name) => !HIDDEN.test(name))
        .sort(byText);
      if (names.length > MAX_FILES) throw new Error(`more than ${MAX_FILES} YAML files`);
      for (const name of names) {
        const facts = await stat(join(this.#folder, name)).catch(() => undefined);
        if (facts?.isFile() === true) stamps.set(name, stampOf(facts));
      }
      return { stamps, problems: [] };
    } catch (error) {
      const message = `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
      return {
        stamps,
        problems: [
          { severity: 'error', file: this.#folder, document: 0, line: 0, path: '', message },
        ],
      };
    }
  }

  async #read(file: string, stamp: string): Promise<void> {
    const last = this.#files.get(file)?.good ?? NOTHING;
    const fail = (message: string): void => {
      const problem: ConfigProblem = {
        severity: 'error',
        file,
        document: 0,
        line: 0,
        path: '',
        message,
      };
      this.#files.set(file, { stamp, good: last, problems: [problem] });
    };
    try {
      if (Number(stamp.split('/', 2)[1]) > MAX_FILE_BYTES)
        return fail(`is larger than ${MAX_FILE_BYTES} bytes; split it`);
      const text = await readFile(join(this.#folder, file), 'utf8');
      // Somebody is still writing: half a file may be good YAML, and would take the rest out of force.
      if (stampOf(await stat(join(this.#folder, file))) !== stamp) return this.#changed();
      const parsed = parseYamlFile(file, text);
      const problems = [...parsed.problems];
      const content = readDocuments(file, parsed.documents, problems);
      this.#files.set(file, { stamp, good: hasErrors(problems) ? last : content, problems });
    } catch (error) {
      fail(`cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** What is in force. Of two things with one name the file first in the alphabet wins, and a problem tells. */
  current(): ConfigSet {
    const problems: ConfigProblem[] = [...this.#folderProblems];
    const byKey = new Map<string, ConfigItem>();
    const items: ConfigItem[] = [];
    let mesh: MeshConfig | undefined;
    for (const [, state] of [...this.#files].sort(([a], [b]) => byText(a, b))) {
      problems.push(...state.problems);
      mesh ??= state.good.mesh;
      for (const item of state.good.items) {
        const key = `${item.meta.kind}/${item.meta.namespace}/${item.meta.name}`;
        const first = byKey.get(key);
        if (first === undefined || first.meta.file === item.meta.file) {
          byKey.set(key, item);
          items.push(item);
        } else {
          const { file, document, line } = item.meta;
          problems.push({
            severity: 'error',
            file,
            document,
            line,
            path: '',
            message: `${key} is ignored: ${first.meta.file} has it already`,
          });
        }
      }
    }
    return { items, mesh: mesh ?? defaultMeshConfig, problems };
  }

  /** Calls `onChange` after every load that changed something; load() has been called before. */
  watch(onChange: (set: ConfigSet) => void): void {
    this.#onChange = onChange;
    this.#listen();
    this.#poll = this.#time.setTimer(() => this.#polled(), POLL_MS);
  }

  #listen(): void {
    try {
      this.#watcher = watch(this.#folder, { recursive: true, persistent: false }, () =>
        this.#changed(),
      );
      this.#watcher.on('error', () => this.#unlisten());
    } catch {
      // No inotify left, or none at all: the poll goes on alone.
      this.#watcher = undefined;
    }
  }

  #unlisten(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #changed(): void {
    this.#timer?.cancel();
    if (!this.#closed) this.#timer = this.#time.setTimer(() => void this.#reload(), DEBOUNCE_MS);
  }

  #polled(): void {
    if (this.#closed) return;
    void this.#lookForChanges();
    this.#poll = this.#time.setTimer(() => this.#polled(), POLL_MS);
  }

  async #lookForChanges(): Promise<void> {
    const { stamps } = await this.#look();
    const same =
      stamps.size === this.#files.size &&
      [...stamps].every(([file, stamp]) => this.#files.get(file)?.stamp === stamp);
    if (!same) this.#changed();
  }

  async #reload(): Promise<void> {
    if ((await this.load()) && !this.#closed) this.#onChange?.(this.current());
  }

  close(): void {
    this.#closed = true;
    this.#unlisten();
    this.#timer?.cancel();
    this.#poll?.cancel();
  }
}
