// `npm start`: Bookinfo on this machine, each workload with its own sidecar, until Ctrl-C.
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import process from 'node:process';

import { BOOKINFO_WORKLOADS, FRONT_POD } from './bookinfo/workloads.ts';
import { ConfigFolder } from './local-mesh/config-folder.ts';
import { emitWhereStale } from './local-mesh/emitted.ts';
import { Forwarder } from './local-mesh/forwarder.ts';
import type { ForwardPlace } from './local-mesh/forwarder.ts';
import { startGuardian } from './local-mesh/guardian.ts';
import { claimLoopbackByte, startLoopbackMesh } from './local-mesh/loopback.ts';
import type { RunningMesh, StartOptions } from './local-mesh/mesh-run.ts';
import { findNamespaceSupport, pageSocket, startNamespaceMesh } from './local-mesh/netns.ts';
import type { NamespaceSupport } from './local-mesh/netns.ts';
import { readStartFlags, START_USAGE } from './local-mesh/options.ts';
import type { StartFlags } from './local-mesh/options.ts';
import { listenPlaces, planMesh, readServices } from './local-mesh/plan.ts';
import type { MeshMode, MeshPlan } from './local-mesh/plan.ts';
import { ProblemWatch } from './local-mesh/problem-watch.ts';
import { waitForHttp } from './local-mesh/readiness.ts';
import { reportText } from './local-mesh/report.ts';

const ROOT = dirname(import.meta.dirname);
const BOOKINFO = join(import.meta.dirname, 'bookinfo');
const DEFAULT_PORT = 9_080;
const PORTS_TO_TRY = 20;
const FIRST_ADMIN_PORT = 15_100;
const PAGE_LIMIT_MS = 20_000;

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const shown = (path: string): string => relative(process.cwd(), path) || path;

/** Closed in reverse order, each even if another fails. */
class Leftovers {
  readonly #closers: (() => void | Promise<void>)[] = [];

  add(close: () => void | Promise<void>): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).toReversed()) {
      try {
        await close();
      } catch (error) {
        process.stderr.write(`while stopping: ${(error as Error).message}\n`);
      }
    }
  }
}

interface ChosenMode {
  readonly mode: MeshMode;
  readonly unshareFlags: readonly string[];
}

async function chooseMode(flags: StartFlags): Promise<ChosenMode> {
  if (flags.mode === 'loopback') return { mode: 'loopback', unshareFlags: [] };
  const support: NamespaceSupport = await findNamespaceSupport(ROOT);
  if (support.ok) return { mode: 'netns', unshareFlags: support.unshareFlags };
  if (flags.mode === 'netns') throw new Error(`--mode netns does not work here: ${support.reason}`);
  say(`No network namespaces here (${support.reason}): pods will be loopback addresses.`);
  return { mode: 'loopback', unshareFlags: [] };
}

async function makePlan(
  mode: MeshMode,
  flags: StartFlags,
  leftovers: Leftovers,
): Promise<MeshPlan> {
  const services = readServices(readFileSync(join(BOOKINFO, 'mesh/services.yaml'), 'utf8'));
  const planWith = (loopbackByte: number): MeshPlan =>
    planMesh({
      mode,
      withSidecars: flags.withSidecars,
      workloads: BOOKINFO_WORKLOADS,
      services,
      frontPod: FRONT_POD,
      loopbackByte,
    });
  if (mode === 'netns') return planWith(0);
  const claim = await claimLoopbackByte((byte) => listenPlaces(planWith(byte)));
  leftovers.add(claim.release);
  return planWith(claim.byte);
}

async function publishPage(flags: StartFlags, to: ForwardPlace): Promise<Forwarder> {
  const first = flags.port ?? DEFAULT_PORT;
  const last = flags.port ?? DEFAULT_PORT + PORTS_TO_TRY;
  for (let port = first; ; port++) {
    try {
      return await Forwarder.listen({ host: flags.address, port }, to);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      if (port >= last)
        throw new Error(
          `port ${first}${first === last ? '' : `–${last}`} is in use; choose another with --port`,
        );
    }
  }
}

/** A place on this machine for each admin page that a browser could not reach otherwise. */
async function publishAdmins(
  mesh: RunningMesh,
  address: string,
  leftovers: Leftovers,
): Promise<Map<string, string>> {
  const urls = new Map<string, string>();
  let wanted = FIRST_ADMIN_PORT;
  for (const [pod, place] of mesh.admins) {
    if ('host' in place) {
      urls.set(pod, `http://${place.host}:${place.port}`);
      continue;
    }
    const listen = (port: number): Promise<Forwarder> =>
      Forwarder.listen({ host: address, port }, place);
    const forwarder = await listen(wanted++).catch(() => listen(0));
    leftovers.add(() => forwarder.close());
    urls.set(pod, `http://localhost:${forwarder.port}`);
  }
  return urls;
}

/** All that is started from here runs emitted JavaScript, unless OUTRIGGER_EMITTED says something else. */
async function preferEmitted(): Promise<void> {
  if (process.env['OUTRIGGER_EMITTED'] !== undefined) return;
  try {
    await emitWhereStale(ROOT, () => say('Building …'));
    process.env['OUTRIGGER_EMITTED'] = '1';
  } catch (error) {
    const reason = (error as Error).message;
    say(`! Nothing is built (${reason}): it runs from sources, which takes twice the memory.`);
  }
}

function makeRunDir(leftovers: Leftovers): string {
  const runDir = mkdtempSync(join(tmpdir(), 'outrigger-'));
  leftovers.add(() => rmSync(runDir, { recursive: true, force: true, maxRetries: 3 }));
  // Sidecars of namespaces run as a user of their own.
  chmodSync(runDir, 0o755);
  for (const part of ['config', 'logs', 'pods']) mkdirSync(join(runDir, part));
  return runDir;
}

async function start(flags: StartFlags, signal: AbortSignal, leftovers: Leftovers): Promise<void> {
  const rulesDir = resolve(flags.rulesDir ?? join(BOOKINFO, 'active'));
  if (statSync(rulesDir, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new Error(`--config: ${rulesDir} is no folder`);
  }
  const { mode, unshareFlags } = await chooseMode(flags);
  const plan = await makePlan(mode, flags, leftovers);
  await preferEmitted();
  signal.throwIfAborted();
  const runId = randomBytes(8).toString('hex');
  const runDir = makeRunDir(leftovers);
  const guardian = startGuardian(runId, runDir);
  leftovers.add(() => guardian.dismiss());
  const config = new ConfigFolder({
    dir: join(runDir, 'config'),
    meshDir: join(BOOKINFO, 'mesh'),
    rulesDir,
    workloadsYaml: plan.workloadsYaml,
  });
  leftovers.add(() => config.close());
  const front =
    mode === 'netns'
      ? { path: pageSocket(runDir) }
      : { host: plan.front.address, port: plan.front.port };
  const page = await publishPage(flags, front);
  leftovers.add(() => page.close());
  say(
    `Starting ${plan.pods.length} pods${flags.withSidecars ? ', each with its sidecar,' : ''} in mode ${mode} …`,
  );
  const onEvent = (text: string): void => say(`! ${text}`);
  const problems = new ProblemWatch(join(runDir, 'logs/control-plane.log'), onEvent);
  leftovers.add(() => problems.close());
  const options: StartOptions = {
    plan,
    runId,
    runDir,
    root: ROOT,
    signal,
    progress: (text) => say(`  ${text}`),
    onEvent,
  };
  const mesh = await (mode === 'netns'
    ? startNamespaceMesh(unshareFlags, options)
    : startLoopbackMesh(options));
  leftovers.add(() => mesh.stop());
  const limit = AbortSignal.any([signal, AbortSignal.timeout(PAGE_LIMIT_MS)]);
  await waitForHttp({ address: flags.address, port: page.port }, '/productpage', limit);
  const rulesFile = flags.rulesDir === undefined ? join(rulesDir, 'routing.yaml') : rulesDir;
  say(
    reportText({
      mode,
      withSidecars: flags.withSidecars,
      base: `http://localhost:${page.port}`,
      rulesFile: shown(rulesFile),
      rulesExamples: shown(join(BOOKINFO, 'rules')),
      logDir: join(runDir, 'logs'),
      admins: await publishAdmins(mesh, flags.address, leftovers),
    }),
  );
}

function abortOnSignals(): AbortController {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      // A second signal: leave at once; the guardian does the rest.
      if (controller.signal.aborted) process.exit(1);
      controller.abort(new Error(name));
    });
  }
  return controller;
}

async function main(): Promise<number> {
  let flags: StartFlags;
  try {
    flags = readStartFlags(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${START_USAGE}start: ${(error as Error).message}\n`);
    return 2;
  }
  if (flags.help) {
    say(START_USAGE);
    return 0;
  }
  const { signal } = abortOnSignals();
  const leftovers = new Leftovers();
  try {
    await start(flags, signal, leftovers);
    const alive = setInterval(() => {}, 3_600_000);
    await new Promise<void>((done) =>
      signal.addEventListener('abort', () => done(), { once: true }),
    );
    clearInterval(alive);
    return 0;
  } catch (error) {
    if (signal.aborted) return 1;
    process.stderr.write(`start: ${(error as Error).message}\n`);
    return 1;
  } finally {
    if (signal.aborted) say('\nStopping …');
    await leftovers.close();
  }
}

process.exitCode = await main();
