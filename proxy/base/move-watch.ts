// [b] MoveWatch: tells when another file was moved to where a path leads, as Envoy's file watches do: a file that is written in place is not
// looked at, it may be half written. Folders are watched, and looked at besides, as events are lost on some mounts.
import { dirname } from 'node:path';

import type { TimerHandle, TimeSource } from './clock.ts';
import type { Closable } from './lifetime.ts';
import { fs } from './node-builtins.ts';

export interface MovablePath {
  readonly path: string;
  /** Whatever is moved into it means a change; '' : only the file itself. */
  readonly watchedDirectory: string;
}

const DEBOUNCE_MS = 20;
const LOOK_MS = 5000;

export class MoveWatch implements Closable {
  readonly #place: MovablePath;
  readonly #time: TimeSource;
  readonly #onMove: () => void;
  readonly #watchers: { close(): void }[] = [];
  #file: FileStamp;
  #moved = false;
  #debounce: TimerHandle | undefined;
  #look: TimerHandle | undefined;
  /** What is there was not whole: it is looked at again when it is written. */
  unfinished = false;

  constructor(place: MovablePath, time: TimeSource, onMove: () => void) {
    this.#place = place;
    this.#time = time;
    this.#onMove = onMove;
    this.#file = stampOf(place.path);
    this.#watch();
    this.#lookLater();
  }

  close(): void {
    this.#debounce?.cancel();
    this.#look?.cancel();
    this.#unwatch();
  }

  #watch(): void {
    const { path, watchedDirectory } = this.#place;
    if (watchedDirectory !== '') {
      this.#watchFolder(watchedDirectory, (event) => {
        this.#moved ||= event === 'rename';
        this.#touched();
      });
      return;
    }
    for (const folder of new Set([dirname(path), dirname(realPath(path))]))
      this.#watchFolder(folder, () => this.#touched());
  }

  #watchFolder(folder: string, onEvent: (event: string) => void): void {
    try {
      const watcher = fs.watch(folder, { persistent: false }, onEvent);
      watcher.on('error', () => watcher.close());
      this.#watchers.push(watcher);
    } catch {
      // Looking goes on.
    }
  }

  #unwatch(): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close();
  }

  #touched(): void {
    this.#debounce ??= this.#time.setTimer(() => {
      this.#debounce = undefined;
      this.#compare();
    }, DEBOUNCE_MS);
  }

  #lookLater(): void {
    this.#look = this.#time.setTimer(() => {
      this.#compare();
      this.#lookLater();
    }, LOOK_MS);
  }

  #compare(): void {
    const now = stampOf(this.#place.path);
    const before = this.#file;
    const written = this.unfinished && now.state !== before.state;
    if (!this.#moved && !written && now.identity === before.identity) return;
    this.#moved = false;
    this.#file = now;
    if (now.identity === '') return;
    // The links may lead elsewhere now.
    this.#unwatch();
    this.#watch();
    this.#onMove();
  }
}

interface FileStamp {
  /** Which file it is; '' : there is none. */
  readonly identity: string;
  /** How far it is written. */
  readonly state: string;
}

function stampOf(path: string): FileStamp {
  try {
    const { ino, dev, size, mtimeMs } = fs.statSync(path);
    return { identity: `${dev}/${ino}`, state: `${size}/${mtimeMs}` };
  } catch {
    return { identity: '', state: '' };
  }
}

function realPath(path: string): string {
  try {
    return fs.realpathSync(path);
  } catch {
    return path;
  }
}
