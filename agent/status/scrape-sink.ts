// [m] ScrapeSink: where the merged page goes, whole lines with backpressure, compressed where the scraper takes it.
import type { OutgoingHttpHeaders } from 'node:http';
import type { Gzip } from 'node:zlib';

/** An http.ServerResponse fits. */
export interface ScrapeResponse {
  writeHead(status: number, headers: OutgoingHttpHeaders): unknown;
  write(chunk: Buffer | string): boolean;
  end(): unknown;
  destroy(): unknown;
  on(event: 'close', listener: () => void): unknown;
  once(event: 'drain' | 'close', listener: () => void): unknown;
  removeListener(event: 'drain' | 'close', listener: () => void): unknown;
  readonly destroyed: boolean;
}

/** Scrapes come often: most of what there is to gain for little of the time. */
const GZIP_LEVEL = 3;

export class ScrapeSink {
  readonly #response: ScrapeResponse;
  #gzip: Gzip | undefined;

  constructor(response: ScrapeResponse) {
    this.#response = response;
  }

  /** Once, before the first chunk. */
  begin(contentType: string, compressed: boolean): void {
    if (!compressed) {
      this.#response.writeHead(200, { 'content-type': contentType, vary: 'accept-encoding' });
      return;
    }
    const gzip = process.getBuiltinModule('node:zlib').createGzip({ level: GZIP_LEVEL });
    this.#gzip = gzip;
    this.#response.writeHead(200, {
      'content-type': contentType,
      'content-encoding': 'gzip',
      vary: 'accept-encoding',
    });
    gzip.on('data', (chunk: Buffer) => {
      if (this.#response.destroyed || this.#response.write(chunk)) return;
      gzip.pause();
      this.#response.once('drain', () => gzip.resume());
    });
    gzip.on('end', () => this.#response.end());
    this.#response.on('close', () => gzip.destroy());
  }

  async write(chunk: Buffer | string): Promise<void> {
    if (chunk.length === 0) return;
    const to = this.#gzip ?? this.#response;
    if (to.destroyed) throw new Error('the scraper went away');
    if (!to.write(chunk)) await writable(to);
  }

  end(): void {
    (this.#gzip ?? this.#response).end();
  }
}

/** Resolves when more can be written, or nothing any more. */
function writable(to: Gzip | ScrapeResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      to.removeListener('drain', done);
      to.removeListener('close', done);
      resolve();
    };
    to.once('drain', done);
    to.once('close', done);
  });
}
