// [m] What a Server is made of besides itself: run.ts gives the real ones, tests their own.
import type { TimeSource } from '../base/clock.ts';
import type { LoggerRegistry } from '../base/logger.ts';
import type { RandomSource } from '../base/random.ts';
import type { AddressConfig } from '../config/listener-config.ts';
import type { AccessLogService, AccessLogServiceDeps } from '../xds/access-log-service.ts';
import type { AdsTransport } from '../xds/ads-transport.ts';
import type { AdminContext } from './admin-context.ts';
import type { LoadedBootstrap } from './bootstrap.ts';
import type { ControlChannels } from './grpc/control-channels.ts';
import type { ServerOptions } from './options.ts';
import type { ProcessLog } from './process-log.ts';

/** The admin endpoint, as far as the server starts and stops it. */
export interface AdminEndpoint {
  /** Accepts from now on; gives the address as bound, and throws when it cannot be had. */
  listen(address: AddressConfig): AddressConfig;
  close(): void;
}

export interface ServerDeps {
  readonly options: ServerOptions;
  readonly bootstrap: LoadedBootstrap;
  readonly time: TimeSource;
  readonly random: RandomSource;
  readonly processLog: ProcessLog;
  readonly loggers: LoggerRegistry;
  readonly workerEntry: URL;
  /** Called once, after the workers were spawned, where the bootstrap names ADS. The server closes what it gives. */
  readonly openAdsTransport: (channels: ControlChannels) => Promise<AdsTransport>;
  /** Called once, with the first batch for an access log service. The server closes what it gives. */
  readonly openAccessLogs: (
    needs: Pick<AccessLogServiceDeps, 'stats' | 'log' | 'connect'>,
  ) => Promise<AccessLogService>;
  /** Undefined: no admin. Called once, when the bootstrap gives an address. */
  readonly createAdmin: ((context: AdminContext) => AdminEndpoint) | undefined;
}
