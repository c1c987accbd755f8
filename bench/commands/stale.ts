// `npm run bench -- stale`: an origin that closes idle connections, and how many requests fail for it behind each proxy. Both get
// Istio's outbound chain with its default retries, the same kind of load at the same time, an origin each. See docs/stale-connections.md.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';

import { LOAD_CASES } from '../load/cases.ts';
import { waitForAnswer } from '../load/contestant.ts';
import { commitName, thisMachine } from '../load/machine.ts';
import type { Peer } from '../load/peers.ts';
import { markdownTable } from '../load/report.ts';
import { freePorts, RunningProcess } from '../load/running-process.ts';
import { OpenLoadRun } from '../stale/open-load.ts';
import type { OpenLoadResult } from '../stale/open-load.ts';
import { readNumber, readRunOptions } from './options.ts';
import { print, ROOT, Session } from './session.ts';

const PEERS = ['outrigger', 'envoy'];
const POST_SHARE = 0.2;
const LISTEN_LIMIT_MS = 20_000;

interface Settings {
  readonly durationMs: number;
  readonly perSecond: number;
  readonly idleMs: readonly [number, number];
  readonly distanceMs: number;
}

interface PeerResult extends OpenLoadResult {
  readonly peer: string;
  readonly version: string;
  /** The proxy's own counters. */
  readonly stats: Readonly<Record<string, number>>;
  readonly origin: Readonly<Record<string, number>>;
}

const STATS = [
  'upstream_cx_total',
  'upstream_cx_destroy_remote',
  'upstream_cx_destroy_remote_with_active_rq',
  'upstream_cx_retired_before_peer',
  'upstream_rq_stale_replayed',
  'upstream_rq_retry',
];

async function statsOf(adminPort: number): Promise<Record<string, number>> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/stats`);
  const sums: Record<string, number> = {};
  for (const line of (await answer.text()).split('\n')) {
    const found = /^cluster\.backend(?:-canary)?\.([a-z_0-9]+): ([0-9]+)$/.exec(line);
    const name = found?.[1] ?? '';
    if (STATS.includes(name)) sums[name] = (sums[name] ?? 0) + Number(found![2]);
  }
  return sums;
}

async function playPeer(session: Session, peer: Peer, settings: Settings): Promise<PeerResult> {
  const dir = join(session.dir, peer.name);
  mkdirSync(dir, { recursive: true });
  const [listenPort = 0, adminPort = 0, backendPort = 0] = await freePorts(3);
  const originLog = join(dir, 'origin.log');
  const { durationMs, perSecond, idleMs, distanceMs } = settings;
  const origin = new RunningProcess({
    name: 'origin',
    command: process.execPath,
    args: [
      join(dirname(import.meta.dirname), 'stale/origin.ts'),
      ...[backendPort, ...idleMs, distanceMs].map(String),
    ],
    logFile: originLog,
    cpus: undefined,
  });
  session.running.add(origin);
  await origin.waitForPort(backendPort, LISTEN_LIMIT_MS);
  const chain = LOAD_CASES.find(({ name }) => name === 'h1-get-100b-sidecar')!;
  const proxy = new RunningProcess({
    name: peer.name,
    command: peer.command,
    args: peer.prepare({ case: chain, dir, listenPort, adminPort, backendPort }),
    logFile: join(dir, 'output.log'),
    env: { ...process.env, ...peer.env },
    cpus: undefined,
  });
  session.running.add(proxy);
  await waitForAnswer(proxy, listenPort);
  const load = { port: listenPort, perSecond, durationMs, postShare: POST_SHARE };
  const result = await new OpenLoadRun(load).run();
  const stats = await statsOf(adminPort);
  await proxy.stop();
  await origin.stop();
  const counts = JSON.parse(readFileSync(originLog, 'utf8').trim().split('\n').at(-1)!) as Record<
    string,
    number
  >;
  return { peer: peer.name, version: peer.version, ...result, stats, origin: counts };
}

function table(results: readonly PeerResult[]): string {
  const rows = results.map((result) => [
    result.peer,
    String(result.gets),
    String(result.failedGets),
    String(result.posts),
    String(result.failedPosts),
    String(result.origin['lost'] ?? 0),
    String(result.stats['upstream_rq_stale_replayed'] ?? '-'),
    String(result.stats['upstream_cx_retired_before_peer'] ?? '-'),
    String(result.origin['idleCloses'] ?? 0),
  ]);
  const heads = [
    'proxy',
    'GET',
    'failed',
    'POST',
    'failed',
    'met a closing connection',
    'sent again',
    'closed in time',
    'closed by the origin',
  ];
  return markdownTable([heads, ...rows]);
}

export async function staleCommand(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    strict: false,
    options: {
      rps: { type: 'string', default: '200' },
      'least-idle': { type: 'string', default: '1000' },
      'most-idle': { type: 'string', default: '5000' },
      distance: { type: 'string', default: '5' },
      duration: { type: 'string', default: '600' },
      json: { type: 'string' },
    },
  });
  const settings: Settings = {
    durationMs: readNumber(String(values.duration), '--duration', 1) * 1_000,
    perSecond: readNumber(String(values.rps), '--rps', 1),
    idleMs: [
      readNumber(String(values['least-idle']), '--least-idle', 100),
      readNumber(String(values['most-idle']), '--most-idle', 100),
    ],
    distanceMs: readNumber(String(values.distance), '--distance', 0),
  };
  const session = new Session();
  try {
    const options = readRunOptions(['--peer', 'outrigger', '--peer', 'envoy'], true);
    const { found } = await session.findPeers(options, [session.tree(options)]);
    const peers = found.filter(({ name }) => PEERS.includes(name));
    const results = await Promise.all(peers.map((peer) => playPeer(session, peer, settings)));
    print(`\n${table(results)}`);
    for (const { peer, failures } of results)
      for (const [text, count] of Object.entries(failures)) print(`${peer}: ${count} × ${text}`);
    const report = {
      when: new Date().toISOString(),
      commit: commitName(ROOT),
      machine: thisMachine(),
      settings,
      results,
    };
    if (values.json !== undefined)
      writeFileSync(String(values.json), `${JSON.stringify(report, null, 2)}\n`);
    return 0;
  } finally {
    session.close();
  }
}
