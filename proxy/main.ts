// [m] Process entry: read options, build Server, run; nothing else.
import { extname } from 'node:path';
import { loadPartsFrom } from './base/lazy-part.ts';
import { runProxy } from './server/run.ts';

// Told from here because only an entry file is where it was written once the tree is bundled (build/emit.ts).
const extension = extname(import.meta.url);
loadPartsFrom(new URL('./', import.meta.url), extension);
const workerEntry = new URL(`./server/worker${extension}`, import.meta.url);
// Not left to an empty event loop: a pending DNS query must not hold the end of the process back.
void runProxy(process.argv.slice(2), workerEntry).then((code) => process.exit(code));
