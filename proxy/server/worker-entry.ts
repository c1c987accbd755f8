// [m] Where a worker thread starts. tsc does not rewrite `new URL('./worker.ts', …)`, so the extension is taken from the
// file this runs from: .ts in development, .js in the image.
import { extname } from 'node:path';

export function workerEntry(): URL {
  return new URL(`./worker${extname(import.meta.url)}`, import.meta.url);
}
