// [m] Joins secrets with what they come from: gRPC channels, the aggregated stream, files; and with those who wait for them.
import type { RandomSource } from '../base/random.ts';
import type { TimeSource } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { BootstrapConfig } from '../config/bootstrap-config.ts';
import type { StatsStore } from '../stats/store.ts';
import type { FieldNotices } from '../xds/field-notices.ts';
import type { DiscoveryChannels } from '../xds/discovery-channels.ts';
import { SecretManager } from '../xds/secret-manager.ts';
import type { SecretSink } from '../xds/secret-manager.ts';

export interface SecretsWiring {
  readonly bootstrap: BootstrapConfig;
  readonly sink: SecretSink;
  readonly channels: DiscoveryChannels;
  readonly onAdsNames: (names: ReadonlySet<string>) => void;
  readonly onSettled: () => void;
  readonly time: TimeSource;
  readonly random: RandomSource;
  readonly stats: StatsStore;
  readonly fields: FieldNotices;
  readonly log: Logger;
}

export function wireSecrets(wiring: SecretsWiring): SecretManager {
  const { bootstrap } = wiring;
  return new SecretManager({
    ...wiring,
    hasAds: bootstrap.ads !== undefined,
    nodeOnFirstMessageOnly: true,
  });
}
