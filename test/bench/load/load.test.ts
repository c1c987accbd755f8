// The bench's readers of /proc and of wrk, its table, its bootstrap, and its own load generator against its own backend.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';

import { startBackend } from '../../../bench/load/backend.ts';
import { LOAD_CASES } from '../../../bench/load/cases.ts';
import { envoyBootstrap } from '../../../bench/load/envoy-bootstrap.ts';
import { findEnvoy } from '../../../bench/load/find-program.ts';
import {
  findLoadGenerator,
  parseH2load,
  parseWrkOutput,
} from '../../../bench/load/load-generator.ts';
import { parseSmapsRollup, parseStat, processTree } from '../../../bench/load/process-tree.ts';
import { caseTables } from '../../../bench/load/report.ts';
import { RequestLoad } from '../../../bench/load/request-load.ts';
import { freePorts } from '../../../bench/load/running-process.ts';
import { spreadOf } from '../../../bench/load/statistics.ts';

t.test('process tree', async (t) => {
  await t.test('reads ticks behind a command that holds a parenthesis', async (t) => {
    const text = '42 (a) b (c)) S 7 42 42 0 -1 4194560 1 2 3 4 150 25 0 0 20 0 1 0 5 6 7 8';
    t.same(parseStat(text), { parent: 7, userTicks: 150, systemTicks: 25 });
  });

  await t.test('reads private memory and nothing else', async (t) => {
    const text =
      '0-1 ---p 0 00:00 0 [rollup]\nRss:      900 kB\nPss_Dirty: 5 kB\nPrivate_Clean:   40 kB\nPrivate_Dirty:  300 kB\n';
    t.same(parseSmapsRollup(text), { privateDirtyKb: 300, privateCleanKb: 40, residentKb: 900 });
  });

  await t.test(
    'begins with the process itself',
    { skip: process.platform !== 'linux' },
    async (t) => {
      t.equal(processTree(process.pid)[0], process.pid);
    },
  );
});

const WRK = `Running 3s test @ http://127.0.0.1:1/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.21ms  520.00us  15.84ms   95.11%
    Req/Sec    26.71k     1.05k   28.94k    76.67%
  Latency Distribution
     50%    1.14ms
     75%    1.24ms
     90%    1.40ms
     99%  980.00us
  79697 requests in 3.00s, 19.53MB read
`;

t.test('parseWrkOutput', async (t) => {
  await t.test('reads a clean run', async (t) => {
    t.same(parseWrkOutput(WRK), {
      requests: 79_697,
      elapsedMs: 3_000,
      failures: 0,
      p50Us: 1_140,
      p99Us: 980,
    });
  });

  await t.test('adds refused answers and broken connections up', async (t) => {
    const text = `${WRK}  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 10\n`;
    t.equal(parseWrkOutput(text).failures, 20);
  });

  await t.test('says what it could not read', async (t) => {
    t.throws(() => parseWrkOutput('unable to connect'), /unable to connect/);
  });
});

t.test('spreadOf', async (t) => {
  for (const [values, median, least, most] of [
    [[3], 3, 3, 3],
    [[9, 1, 5], 5, 1, 9],
    [[4, 1, 2, 3], 2.5, 1, 4],
  ] as const) {
    t.same(spreadOf(values), { median, least, most }, values.join(' '));
  }
});

t.test('envoyBootstrap', async (t) => {
  const input = { listenPort: 1, adminPort: 2, backendPort: 3, accessLogPath: 'a.log' } as const;
  for (const [chain, filters] of [
    ['router', ['router']],
    ['sidecar', ['grpc_stats', 'fault', 'cors', 'router']],
  ] as const) {
    await t.test(`has the filters of the ${chain} chain`, async (t) => {
      const bootstrap = parse(envoyBootstrap({ chain, ...input })) as {
        static_resources: {
          listeners: { filter_chains: { filters: { typed_config: Hcm }[] }[] }[];
        };
      };
      const hcm =
        bootstrap.static_resources.listeners[0]?.filter_chains[0]?.filters[0]?.typed_config;
      t.same(
        hcm?.http_filters.map(({ name }) => name.replace('envoy.filters.http.', '')),
        filters,
      );
      t.equal(hcm?.access_log === undefined, chain === 'router');
    });
  }
});

interface Hcm {
  readonly http_filters: readonly { readonly name: string }[];
  readonly access_log?: unknown;
}

t.test('findEnvoy', async (t) => {
  await t.test('refuses a given path that cannot be executed', async (t) => {
    t.throws(
      () => findEnvoy('nowhere/envoy', '.', {}),
      /--envoy: nowhere\/envoy cannot be executed/,
    );
    t.throws(() => findEnvoy(undefined, '.', { ENVOY_BIN: 'nowhere' }), /ENVOY_BIN: nowhere/);
  });

  await t.test('takes a given path before all others', async (t) => {
    t.equal(findEnvoy(process.execPath, '.', { ENVOY_BIN: 'nowhere' }), process.execPath);
  });
});

t.test('caseTables', async (t) => {
  await t.test(
    'shows medians with their spread, one table for each group of metrics',
    async (t) => {
      const samples = { rps: [10, 30, 20], cpuUs: [6, 8, 7], idleMb: [2] };
      const peers = [{ peer: 'a', version: '1', samples }];
      const [load = '', memory = '', ...more] = caseTables({
        name: 'n',
        meaning: 'm',
        backend: 'b',
        peers,
        skipped: [],
        failed: [],
      }).split('\n\n');
      t.match(load, '20 (10–30)');
      t.match(load, '7.0 (6.0–8.0)');
      t.match(memory, /\| +2\.0 \|/);
      t.same(more, []);
      t.equal(
        new Set(load.split('\n').map((line) => line.length)).size,
        1,
        'all lines are equally long',
      );
    },
  );
});

t.test('own load generator', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'bench-test-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  // Without a PATH neither nginx nor wrk is found, unless they lie in a system folder.
  const env = { PATH: '' };
  const [port = 0] = await freePorts(1);
  const backend = await startBackend({ dir, env, port, responseBytes: 100, cpus: undefined });
  t.teardown(() => backend.process.stop());
  const url = `http://127.0.0.1:${port}/`;

  await t.test('counts the answers of the own backend', async (t) => {
    const load = findLoadGenerator({ env, cpus: undefined, dir });
    t.equal(load.name, 'node');
    const result = await load.run({ url, connections: 4, durationMs: 300 });
    t.equal(result.failures, 0);
    t.ok(result.requests > 0);
    t.ok(result.p99Us >= result.p50Us);
  });

  await t.test('sends bodies', async (t) => {
    const load = new RequestLoad({
      url,
      connections: 2,
      durationMs: 200,
      method: 'POST',
      bodyBytes: 10_000,
    });
    const reply = await load.run();
    t.equal(reply.failures, 0);
    t.ok(reply.requests > 0);
  });

  await t.test('keeps a rate by the clock, and owes every request an answer', async (t) => {
    const load = new RequestLoad({ url, connections: 4, durationMs: 500, rps: 200 });
    const reply = await load.run();
    t.equal(reply.failures, 0);
    t.ok(reply.requests >= 95 && reply.requests <= 105, `${reply.requests} requests`);
  });
});

t.test('LOAD_CASES', async (t) => {
  t.equal(new Set(LOAD_CASES.map(({ name }) => name)).size, LOAD_CASES.length, 'names are unique');
});

t.test('parseH2load', (t) => {
  const text =
    'finished in 2.00s, 3.50 req/s, 1.2KB/s\nrequests: 9 total, 8 started, 7 done, 6 succeeded, 1 failed, 0 errored, 0 timeout\n';
  const log = [500, 100, 300, 200, 400, 600, 700].map((us, i) => `170000000${i}\t200\t${us}`);
  const result = parseH2load(text, `${log.join('\n')}\n`);
  t.same(result, { requests: 7, elapsedMs: 2000, failures: 1, p50Us: 400, p99Us: 700 });
  t.throws(() => parseH2load('connect failed', ''), { message: /connect failed/ });
  t.end();
});
