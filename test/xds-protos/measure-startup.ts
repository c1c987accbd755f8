// What xds-protos costs at start: prints milliseconds and memory of loading it and of decoding the largest recording. Not a test;
// docs/adr/0003-xds-protos.md quotes it. Run: node --expose-gc test/xds-protos/measure-startup.ts [import|decode|keep|grpc]
// `import`: the codec only. `decode`: also every Any of 11-scale once. `keep`: and all of it held. `grpc`: services.ts.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

interface Usage {
  readonly ms: number;
  readonly rss: number;
  readonly heap: number;
}

const mode = process.argv[2] ?? 'decode';

function usage(): Usage {
  globalThis.gc?.();
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  return { ms: performance.now(), rss, heap: heapUsed + arrayBuffers };
}

function report(what: string, before: Usage, after: Usage, ms: number): void {
  const mb = (bytes: number): string => (bytes / 1_000_000).toFixed(1);
  const rss = mb(after.rss - before.rss);
  process.stdout.write(
    `${what}: ${ms.toFixed(1)} ms, rss +${rss} MB, heap +${mb(after.heap - before.heap)} MB\n`,
  );
}

const start = usage();
const importedAt = performance.now();
if (mode === 'grpc') await import('../../xds-protos/services.ts');
else await import('../../xds-protos/proto-json.ts');
const { decodeEverything } = await import('./decode-everything.ts');
const importMs = performance.now() - importedAt;
report(mode === 'grpc' ? 'load with gRPC' : 'load', start, usage(), importMs);

if (mode === 'decode' || mode === 'keep') {
  const folder = path.join(import.meta.dirname, '../fixtures/istiod/11-scale/caller');
  const files = readdirSync(folder).filter((name) => name.endsWith('.pb'));
  const before = usage();
  const kept: unknown[] = [];
  let decodeMs = 0;
  let messages = 0;
  for (const name of files) {
    const bytes = readFileSync(path.join(folder, name));
    const began = performance.now();
    const decoded = decodeEverything('envoy.service.discovery.v3.DeltaDiscoveryResponse', bytes);
    decodeMs += performance.now() - began;
    messages += decoded.length;
    if (mode === 'keep') kept.push(decoded);
  }
  report(
    `decode 11-scale (${messages} messages in ${files.length} responses)`,
    before,
    usage(),
    decodeMs,
  );
  if (kept.length > files.length)
    throw new Error('unreachable: keeps the messages alive up to here');
}
