// Loaded before a program of the bundle (`--require`), in each of its threads: when told to, writes V8's code of all that the program has loaded
// and run so far beside it. Environment: OUTRIGGER_CODE_ORDER, a path; the order is given when that file is there, and is done by a thread
// when the file with the thread's kind behind its name is there.
import { existsSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import v8 from 'node:v8';
import { isMainThread } from 'node:worker_threads';
import type { LoadedScript } from '../proxy/base/compiled-program.ts';

const LOOK_MS = 20;

const scripts: LoadedScript[] = [];
const order = process.env['OUTRIGGER_CODE_ORDER'] ?? '';
// The collection after a start drops code that ran once: here that is what is wanted.
Object.assign(globalThis, { [Symbol.for('outrigger.scripts')]: scripts, gc: () => {} });
// Code is for the flags of the moment when it is written: those of the launcher, not what the program makes of them (server/compiler-hold.ts).
v8.setFlagsFromString = () => {};

const timer = setInterval(() => {
  if (!existsSync(order)) return;
  clearInterval(timer);
  for (const { script, codePath } of scripts) writeFileSync(codePath, script.createCachedData());
  writeFileSync(`${order}.${isMainThread ? 'main' : 'worker'}`, '');
}, LOOK_MS);
timer.unref();
