// [m] Joins secrets with what they come from: gRPC channels, the aggregated stream, files; and with those who wait for them.
import type { GrpcChannel } from '../../xds-protos/grpc-channel.ts';
import type { RandomSource } from '../base/random.ts';
import type { TimeSource } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { BootstrapConfig } from '../config/bootstrap-config.ts';
import type { StatsStore } from '../stats/store.ts';
import { SecretChannels } from '../xds/secret-channels.ts';
import { SecretManager } from '../xds/secret-manager.ts';
import type { SecretSink } from '../xds/secret-manager.ts';
import { VERSION } from './version.ts';

export interface SecretsWiring {
  readonly bootstrap: BootstrapConfig;
  readonly sink: SecretSink;
  readonly connect: (cluster: string) => GrpcChannel | string;
  readonly onAdsNames: (names: ReadonlySet<string>) => void;
  readonly onSettled: () => void;
  readonly time: TimeSource;
  readonly random: RandomSource;
  readonly stats: StatsStore;
  readonly log: Logger;
}

export function wireSecrets(wiring: SecretsWiring): SecretManager {
  const { bootstrap, connect, time } = wiring;
  return new SecretManager({
    ...wiring,
    channels: new SecretChannels({
      connect,
      node: bootstrap.node,
      userAgentVersion: VERSION,
      time,
    }),
    hasAds: bootstrap.ads !== undefined,
    nodeOnFirstMessageOnly: true,
  });
}
