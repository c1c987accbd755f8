// [b] FileWatch: tells when any of some files is another one than before, also behind the symbolic links by which Kubernetes swaps a mounted
// folder. Folders are watched, and looked at besides, as events are lost on some mounts.
import { dirname } from 'node:path';

import type { TimerHandle, TimeSource } from './clock.ts';
import type { Closable } from './lifetime.ts';
import { fs } from './node-builtins.ts';

export interface FileWatchParts {
  readonly time: TimeSource;
  readonly debounceMs: number;
  /** Inotify could not be had; looking goes on. */
  readonly onFailure: () => void;
}

const LOOK_MS = 5000;

export class FileWatch implements Closable {
  readonly #paths: readonly string[];
  readonly #parts: FileWatchParts;
  readonly #onChange: () => void;
  readonly #watchers: { close(): void }[] = [];
  #stamp: string;
  #debounce: TimerHandle | undefined;
  #look: TimerHandle | undefined;

  constructor(paths: readonly string[], parts: FileWatchParts, onChange: () => void) {
    this.#paths = paths;
    this.#parts = parts;
    this.#onChange = onChange;
    this.#stamp = stampOf(paths);
    this.#watch();
    this.#lookLater();
  }

  close(): void {
    this.#debounce?.cancel();
    this.#look?.cancel();
    for (const watcher of this.#watchers.splice(0)) watcher.close();
  }

  #watch(): void {
    for (const folder of new Set(this.#paths.flatMap(foldersOf))) {
      try {
        const watcher = fs.watch(folder, { persistent: false }, () => this.#touched());
        watcher.on('error', () => watcher.close());
        this.#watchers.push(watcher);
      } catch {
        this.#parts.onFailure();
      }
    }
  }

  #touched(): void {
    this.#debounce?.cancel();
    this.#debounce = this.#parts.time.setTimer(() => this.#compare(), this.#parts.debounceMs);
  }

  #lookLater(): void {
    this.#look = this.#parts.time.setTimer(() => {
      this.#compare();
      this.#lookLater();
    }, LOOK_MS);
  }

  #compare(): void {
    const now = stampOf(this.#paths);
    if (now === this.#stamp) return;
    this.#stamp = now;
    // The links may lead elsewhere now.
    for (const watcher of this.#watchers.splice(0)) watcher.close();
    this.#watch();
    this.#onChange();
  }
}

/** The folder that names the file, and the one that holds it. */
function foldersOf(path: string): string[] {
  const folders = [dirname(path)];
  try {
    folders.push(dirname(fs.realpathSync(path)));
  } catch {
    // Not there yet.
  }
  return folders.filter((folder) => fs.existsSync(folder));
}

const stampOf = (paths: readonly string[]): string => paths.map(stampOfOne).join(' ');

function stampOfOne(path: string): string {
  try {
    const { ino, size, mtimeMs } = fs.statSync(path);
    return `${ino}/${size}/${mtimeMs}`;
  } catch {
    return '-';
  }
}
