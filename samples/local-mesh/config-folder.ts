// The folder that the control plane reads: links to the mesh's fixed part and to the rules a person edits, and the pods' addresses.
import {
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  watch,
  writeFileSync,
} from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { join } from 'node:path';

const SETTLE_MS = 30;

const yamlFiles = (dir: string): string[] =>
  readdirSync(dir).filter((name) => /\.ya?ml$/.test(name) && !name.startsWith('.'));

export interface ConfigFolderInput {
  /** Made by the caller, empty. */
  readonly dir: string;
  /** Fixed part: services and subsets. */
  readonly meshDir: string;
  /** What a person edits. */
  readonly rulesDir: string;
  readonly workloadsYaml: string;
}

export class ConfigFolder {
  readonly #input: ConfigFolderInput;
  #rules = new Set<string>();
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(input: ConfigFolderInput) {
    this.#input = input;
    // In a folder of its own, so that no file of a person's can have the name of one of ours.
    const fixed = join(input.dir, 'mesh');
    mkdirSync(fixed);
    writeFileSync(join(fixed, 'workloads.yaml'), input.workloadsYaml);
    for (const name of yamlFiles(input.meshDir))
      symlinkSync(join(input.meshDir, name), join(fixed, name));
    this.#linkRules();
    // Whoever reads this folder sees no change of what a link leads to; a new link it does see.
    this.#watcher = watch(input.rulesDir, () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#linkRules(), SETTLE_MS);
    });
    this.#watcher.on('error', () => this.close());
  }

  #linkRules(): void {
    const { dir, rulesDir } = this.#input;
    let names: string[] = [];
    try {
      names = yamlFiles(rulesDir);
    } catch {
      // The folder is gone: so are its rules.
    }
    for (const name of this.#rules) {
      if (!names.includes(name)) rmSync(join(dir, name), { force: true });
    }
    this.#rules = new Set(names);
    // Renamed over the old link, so that nobody reads the folder while a rule is missing.
    const fresh = join(dir, '.fresh');
    for (const name of names) {
      symlinkSync(join(rulesDir, name), fresh);
      renameSync(fresh, join(dir, name));
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}
