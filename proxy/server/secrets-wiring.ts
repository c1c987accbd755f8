// [m] Joins secrets with what they come from: gRPC channels, the aggregated stream, files; and with those who wait for them.
import type { StatsStore } from '../stats/store.ts';
import { SecretManager } from '../xds/secret-manager.ts';
import type { SecretManagerDeps } from '../xds/secret-manager.ts';
import { ControlTls } from './grpc/control-tls.ts';
import type { ControlTlsDeps } from './grpc/control-tls.ts';
import { newTicketSecret } from './ticket-secret.ts';
import type { ServerDeps } from './server-deps.ts';

type Ends = Pick<
  SecretManagerDeps,
  'sink' | 'channels' | 'onAdsNames' | 'onSettled' | 'stats' | 'fields'
>;

export function wireSecrets(
  {
    bootstrap,
    time,
    random,
    loggers,
  }: Pick<ServerDeps, 'bootstrap' | 'time' | 'random' | 'loggers'>,
  ends: Ends,
): SecretManager {
  return new SecretManager({
    ...ends,
    hasAds: bootstrap.config.ads !== undefined,
    nodeOnFirstMessageOnly: true,
    time,
    random,
    log: loggers.get('secret'),
  });
}

/** TLS of main's own connections to control planes. */
export const wireControlTls = (
  { time, loggers }: Pick<ServerDeps, 'time' | 'loggers'>,
  stats: StatsStore,
  workers: ControlTlsDeps['workers'],
): ControlTls =>
  new ControlTls({
    time,
    stats,
    log: loggers.get('connection'),
    ticketSecret: newTicketSecret(),
    workers,
  });
