// [m] /debug/pprof/: profiles of this very process, read back as pprof's messages.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import type { Test } from 'tap';

import { DebugPages } from '../../../agent/status/debug-pages.ts';
import { Profiler } from '../../../agent/status/profiler.ts';
import { FieldScanner } from '../../../proxy/base/protobuf-scanner.ts';
import { ask } from '../../support/test-http.ts';

async function serve(t: Test): Promise<number> {
  const pages = new DebugPages();
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const path = url.pathname.slice('/debug/pprof/'.length);
    void pages.answer(path, url.searchParams, { response, signal: gone.signal });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

interface Profile {
  readonly strings: string[];
  readonly samples: number;
  readonly locations: number;
  readonly functions: number;
}

function readProfile(bytes: Buffer): Profile {
  const profile = { strings: [] as string[], samples: 0, locations: 0, functions: 0 };
  const fields = new FieldScanner(gunzipSync(bytes));
  while (fields.next()) {
    if (fields.number === 2) profile.samples++;
    else if (fields.number === 4) profile.locations++;
    else if (fields.number === 5) profile.functions++;
    else if (fields.number === 6) profile.strings.push(fields.content.toString('utf8'));
  }
  if (fields.failed) throw new Error('no protobuf message');
  return profile;
}

// A function that became part of its caller has no name in a profile, nor has one whose loop was replaced while it ran.
setFlagsFromString('--max-inlined-bytecode-size=0');
setFlagsFromString('--no-use-osr');

/** What is newest is held, however long this goes on. */
const held: unknown[] = [];
let made = 0;

function busyForTheTest(): void {
  const start = process.cpuUsage();
  while (process.cpuUsage(start).user < 20_000)
    for (let i = 0; i < 1000; i++) held[made++ % 50_000] = { of: [made] };
}

t.test('DebugPages', async (t) => {
  const port = await serve(t);
  const timer = setInterval(busyForTheTest, 40);
  t.teardown(() => clearInterval(timer));

  for (const [path, types] of [
    ['profile', ['samples', 'count', 'cpu', 'nanoseconds']],
    ['heap', ['inuse_objects', 'count', 'inuse_space', 'bytes']],
  ] as const) {
    await t.test(`${path} names who it was`, async (t) => {
      const { status, headers, bytes } = await ask(port, 'GET', `/debug/pprof/${path}?seconds=0.5`);
      t.equal(status, 200);
      t.match(headers['content-disposition'], `filename="${path}"`);
      const { strings, samples, locations, functions } = readProfile(bytes);
      t.strictSame(strings.slice(0, 5), ['', ...types]);
      t.ok(strings.includes('busyForTheTest'), strings.join());
      t.ok(samples > 0 && locations > 0 && locations === functions);
    });

    await t.test(`${path} as V8 has it`, async (t) => {
      const url = `/debug/pprof/${path}?seconds=0.2&format=v8`;
      const { body, headers } = await ask(port, 'GET', url);
      t.equal(headers['content-type'], 'application/json');
      t.ok(body.includes('"functionName":"busyForTheTest"'));
    });
  }

  await t.test('one at a time, and no longer than its caller waits', async (t) => {
    const profiler = new Profiler();
    const gone = new AbortController();
    const first = profiler.cpu(300, gone.signal);
    await t.rejects(profiler.heap(1, gone.signal), /a profile is being taken already/);
    gone.abort();
    t.ok((await first).nodes.length > 0);
    t.ok((await profiler.heap(300, gone.signal)).head, 'and then the next');
  });
});
