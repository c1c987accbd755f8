// Follows the control plane's log, so that who saves a broken rule reads why where `npm start` runs.
import { closeSync, openSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';

const POLL_MS = 300;
const CHUNK_BYTES = 65_536;
/** Errors and warnings, and the word that they are gone. */
const TOLD =
  /^[^\t]*\t(?:(?:error|warning)\t[^\t]*\t(?:error: )?(.*)|info\t[^\t]*\t(\d+ earlier problems? (?:is|are) gone))$/;

export class ProblemWatch {
  readonly #logFile: string;
  readonly #tell: (line: string) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #decoder = new StringDecoder('utf8');
  #readBytes = 0;
  #rest = '';

  /** `tell` gets one line for each problem, without the time. */
  constructor(logFile: string, tell: (line: string) => void) {
    this.#logFile = logFile;
    this.#tell = tell;
    this.#timer = setInterval(() => this.#read(), POLL_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #read(): void {
    let file: number;
    try {
      file = openSync(this.#logFile, 'r');
    } catch {
      return; // Not written yet.
    }
    try {
      const chunk = Buffer.alloc(CHUNK_BYTES);
      for (;;) {
        const count = readSync(file, chunk, 0, chunk.length, this.#readBytes);
        if (count === 0) return;
        this.#readBytes += count;
        this.#take(this.#decoder.write(chunk.subarray(0, count)));
      }
    } finally {
      closeSync(file);
    }
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const told = TOLD.exec(line);
      const words = told?.[1] ?? told?.[2];
      if (words !== undefined) this.#tell(words);
    }
  }
}
