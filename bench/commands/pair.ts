// `npm run bench -- pair`: private memory of what stands beside a pod: the agent and its proxy with two workers, idle, configured by a
// control plane that pushes what istiod would for Bookinfo. Stock Envoy cannot be measured beside it so: it lacks Istio's extensions and
// refuses the configuration. Its own memory with two workers is in the case h1-get-100b-two-workers.
import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

import { startControlPlane } from '../../agent/control-plane/control-plane.ts';
import { realTime } from '../../proxy/base/clock.ts';
import { LoggerRegistry } from '../../proxy/base/logger.ts';
import { stopAll } from '../load/contestant.ts';
import { markdownTable } from '../load/report.ts';
import { memoryOf, processTree } from '../load/process-tree.ts';
import { RunningProcess } from '../load/running-process.ts';
import { spreadOf } from '../load/statistics.ts';
import { readRunOptions } from './options.ts';
import { print, ROOT, Session } from './session.ts';

const START_LIMIT_MS = 30_000;
const SETTLE_MS = 5_000;
const WORKERS = 2;

interface Pair {
  readonly agentMb: number;
  readonly proxyMb: number;
}

let starts = 0;

/** An address of each start's own, so that the sidecar's fixed ports are free on it. */
const nextAddress = (): string =>
  `127.${120 + (process.pid % 100)}.${Math.floor(process.pid / 100) % 200}.${(starts++ % 250) + 1}`;

async function waitUntilReady(agent: RunningProcess, address: string): Promise<void> {
  const deadlineMs = performance.now() + START_LIMIT_MS;
  for (;;) {
    const answer = await fetch(`http://${address}:15020/healthz/ready`).catch(() => undefined);
    if (answer?.status === 200) return;
    if (agent.problem !== undefined) throw new Error(agent.problem);
    if (performance.now() > deadlineMs) throw new Error('the agent did not become ready');
    await sleep(50);
  }
}

const privateMb = (pids: readonly number[]): number => memoryOf([...pids]).privateDirtyKb / 1_024;

async function measurePair(
  session: Session,
  start: { readonly agent: string; readonly target: string },
  label: string,
): Promise<Pair> {
  const dir = join(session.dir, label);
  mkdirSync(dir, { recursive: true });
  const address = nextAddress();
  const { running } = session;
  const process_ = new RunningProcess({
    name: label,
    command: start.agent,
    args: ['proxy', 'sidecar'],
    logFile: join(dir, 'output.log'),
    env: {
      ...process.env,
      OUTRIGGER_NODE: process.execPath,
      POD_NAME: 'productpage-v1',
      POD_NAMESPACE: 'default',
      INSTANCE_IP: address,
      ISTIO_META_INSTANCE_IPS: address,
      ISTIO_METAJSON_LABELS: JSON.stringify({ app: 'productpage', version: 'v1' }),
      OUTRIGGER_BIND_ADDRESS: address,
      OUTRIGGER_ADMIN_ADDRESS: address,
      PROXY_CONFIG: JSON.stringify({
        discoveryAddress: start.target,
        controlPlaneAuthPolicy: 'NONE',
        concurrency: WORKERS,
        configPath: join(dir, 'config'),
      }),
    },
    cpus: undefined,
  });
  running.add(process_);
  try {
    await waitUntilReady(process_, address);
    await sleep(SETTLE_MS);
    const [agent = process_.pid, ...others] = processTree(process_.pid);
    return { agentMb: privateMb([agent]), proxyMb: privateMb(others) };
  } catch (error) {
    const log = readFileSync(join(dir, 'output.log'), 'utf8').slice(-1_500);
    throw new Error(`${label}: ${(error as Error).message}\n${log}`, { cause: error });
  } finally {
    await stopAll([process_], { running });
  }
}

/** Flags of the measuring commands; --repeat counts starts. */
export async function pairCommand(argv: readonly string[]): Promise<number> {
  const options = readRunOptions(argv, true);
  const session = new Session();
  const config = join(session.dir, 'istio');
  for (const folder of ['mesh', 'active'])
    cpSync(join(ROOT, 'samples/bookinfo', folder), config, { recursive: true });
  // STRICT mTLS wants an authority, which is not there.
  rmSync(join(config, 'peer-authentication.yaml'), { force: true });
  const loggers = new LoggerRegistry('off', () => {});
  const controlPlane = await startControlPlane(
    { configFolder: config, listen: '127.0.0.1:0', defaultMtls: 'DISABLE' },
    loggers.get('config'),
    realTime,
  );
  try {
    const { root, kind } = session.tree(options);
    const agent = join(root, 'agent/bin/pilot-agent');
    const pairs: Pair[] = [];
    for (let round = 1; round <= options.rounds; round++) {
      const pair = await measurePair(
        session,
        { agent, target: controlPlane.target },
        `pair-${round}`,
      );
      pairs.push(pair);
      print(
        `round ${round}: agent ${pair.agentMb.toFixed(1)} MB, proxy ${pair.proxyMb.toFixed(1)} MB`,
      );
    }
    const cell = (values: readonly number[]): string => spreadOf(values).median.toFixed(1);
    print(`\n${kind}, ${WORKERS} workers, idle, private MB, medians of ${options.rounds}\n`);
    print(
      markdownTable([
        ['agent', 'proxy', 'both'],
        [
          cell(pairs.map(({ agentMb }) => agentMb)),
          cell(pairs.map(({ proxyMb }) => proxyMb)),
          cell(pairs.map(({ agentMb, proxyMb }) => agentMb + proxyMb)),
        ],
      ]),
    );
    return 0;
  } finally {
    controlPlane.close();
    session.close();
  }
}
