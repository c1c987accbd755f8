// [m] One run of the process: command line, bootstrap, Server, signals, exit code (envoy-behaviour §14.4).
import { reportBugsTo } from '../base/assert.ts';
import { realTime } from '../base/clock.ts';
import { readablePlaces, readableStack } from '../base/readable-stack.ts';
import { holdLeash } from '../base/leash.ts';
import { lazyPart } from '../base/lazy-part.ts';
import { LoggerRegistry } from '../base/logger.ts';
import type { Logger } from '../base/logger.ts';
import { realRandom } from '../base/random.ts';
import { decodeBootstrap } from '../xds/bootstrap-decoder.ts';
import type { AdsTransport } from '../xds/ads-transport.ts';
import type { BootstrapConfig } from '../config/bootstrap-config.ts';
import { AdminServer } from './admin/admin-server.ts';
import { bootstrapPlace, loadBootstrap } from './bootstrap.ts';
import type { LoadedBootstrap } from './bootstrap.ts';
import { BootstrapError } from './bootstrap-source.ts';
import { Host } from '../upstream/host.ts';
import type { ControlChannels } from './grpc/control-channels.ts';
import { LOG_COMPONENTS } from './log-components.ts';
import { parseOptions, readHostFacts } from './options.ts';
import type { ServerOptions } from './options.ts';
import { ProcessLog } from './process-log.ts';
import { Server } from './server.ts';
import { VERSION } from './version.ts';

const adsTransport =
  lazyPart<typeof import('../xds/grpc-ads-transport.ts')>('xds/grpc-ads-transport');

/** Resolves with the exit code when the run is over. `workerEntry`: the file a worker thread starts with. */
export async function runProxy(args: readonly string[], workerEntry: URL): Promise<number> {
  const parsed = parseOptions(args, readHostFacts());
  switch (parsed.kind) {
    case 'print':
      process.stdout.write(parsed.text);
      return 0;
    case 'error':
      process.stderr.write(`${parsed.text}\n`);
      return 1;
    case 'run':
      return run(parsed.options, workerEntry);
  }
}

async function run(options: ServerOptions, workerEntry: URL): Promise<number> {
  const processLog = openLog(options);
  if (processLog === undefined) return 1;
  const loggers = createLoggers(options, processLog);
  try {
    const bootstrap = await loadBootstrap(options, decodeBootstrap);
    if (options.mode === 'serve')
      return await serve(bootstrap, { options, processLog, loggers, workerEntry });
    const name = options.configPath === '' ? bootstrapPlace(options) : options.configPath;
    process.stdout.write(`configuration '${name}' OK\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof BootstrapError)) throw error;
    loggers.get('main').critical(`error initializing config '${options.configPath}'`);
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

interface RunContext {
  readonly options: ServerOptions;
  readonly processLog: ProcessLog;
  readonly loggers: LoggerRegistry;
  readonly workerEntry: URL;
}

async function serve(bootstrap: LoadedBootstrap, context: RunContext): Promise<number> {
  const log = context.loggers.get('main');
  reportBugsTo((message) => log.error(`envoy bug failure: ${readablePlaces(message)}`));
  const server = new Server({
    ...context,
    bootstrap,
    time: realTime,
    random: realRandom,
    openAdsTransport: (channels) => openAdsTransport(bootstrap.config, channels),
    openAccessLogs: async (needs) => {
      const { AccessLogService } = await import('../xds/access-log-service.ts');
      const { node } = bootstrap.config;
      return new AccessLogService({ ...needs, node, userAgentVersion: VERSION });
    },
    createAdmin: (adminContext) => new AdminServer(adminContext, realTime),
  });
  onSignals(server);
  endWithStarter(context.options.leashFd, log, server);
  process.on('uncaughtException', (error) => {
    log.critical(`the main thread died: ${readableStack(error)}`);
    process.exit(1);
  });
  try {
    await server.start();
  } catch (error) {
    log.critical(`cannot start: ${(error as Error).message}`);
    await server.stop();
    return 1;
  }
  const exitCode = await server.quitRequested;
  await server.stop();
  return exitCode;
}

/** To the first endpoint of the cluster that `ads_config` names. */
async function openAdsTransport(
  { ads, clusters, node }: BootstrapConfig,
  channels: ControlChannels,
): Promise<AdsTransport> {
  const cluster = clusters.find(({ name }) => name === ads?.clusterName);
  const endpoint = cluster?.localities.flatMap((locality) => locality.endpoints)[0];
  if (cluster === undefined || endpoint === undefined) {
    throw new BootstrapError(
      `cluster '${ads?.clusterName}' needs an endpoint: ads_config names it`,
    );
  }
  const channel = channels.open(cluster, new Host(endpoint, 0), '');
  return adsTransport().grpcAdsTransport({ channel, node, userAgentVersion: VERSION });
}

/** SIGTERM and SIGINT end the process without a drain, SIGUSR1 reopens logs, SIGHUP does nothing: as Envoy. */
function onSignals(server: Server): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => server.quit());
  process.on('SIGUSR1', () => server.reopenLogs());
  process.on('SIGHUP', () => {});
}

/** Of an order to end that takes longer than this, nothing more can come. */
const LAST_MOMENT_MS = 1000;

/** An agent that was killed cannot stop its proxy, and nobody else would. */
function endWithStarter(leashFd: number | undefined, log: Logger, server: Server): void {
  if (leashFd === undefined) return;
  const isHeld = holdLeash(leashFd, () => {
    log.critical('the agent is gone: ending with it');
    realTime.setTimer(() => process.exit(1), LAST_MOMENT_MS);
    server.quit();
  });
  if (!isHeld) log.warn(`--leash-fd: there is no descriptor ${leashFd}`);
}

function openLog(options: ServerOptions): ProcessLog | undefined {
  try {
    return new ProcessLog(options.logPath, realTime);
  } catch (error) {
    process.stderr.write(
      `--log-path: '${options.logPath}' cannot be opened (${(error as Error).message})\n`,
    );
    return undefined;
  }
}

function createLoggers(options: ServerOptions, processLog: ProcessLog): LoggerRegistry {
  const loggers = new LoggerRegistry(options.logLevel, processLog.write);
  for (const component of LOG_COMPONENTS) loggers.get(component);
  for (const { component, level } of options.componentLogLevels)
    loggers.get(component).level = level;
  return loggers;
}
