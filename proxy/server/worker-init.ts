// [m] What every worker is told at its start, but for its place among the others.
import { workerFacts } from './bootstrap.ts';
import type { ConfigPublisher } from './config-publisher.ts';
import { localAddress } from './local-address.ts';
import { readHostEnvironment } from './options.ts';
import type { ServerDeps } from './server-deps.ts';
import { newTicketSecret } from './ticket-secret.ts';
import type { WorkerInit } from './worker-protocol.ts';

export const workerInit = (
  { options, bootstrap: { config } }: Pick<ServerDeps, 'options' | 'bootstrap'>,
  { sharedBuffers }: Pick<ConfigPublisher, 'sharedBuffers'>,
): Omit<WorkerInit, 'workerIndex' | 'concurrency'> => ({
  logLevel: options.logLevel,
  componentLogLevels: options.componentLogLevels,
  localAddress: localAddress(options.localAddressIpVersion),
  ...workerFacts(config),
  guardReplays: options.guardReplays,
  replayStale: options.replayStale,
  fileFlushIntervalMs: options.fileFlushIntervalMs,
  fileFlushMinSizeKb: options.fileFlushMinSizeKb,
  ...readHostEnvironment(),
  drainStrategy: options.drainStrategy,
  drainTimeMs: options.drainTimeS * 1000,
  early: options.early,
  ...sharedBuffers,
  upstreamBind: config.upstreamBind,
  ticketSecret: newTicketSecret(),
});
