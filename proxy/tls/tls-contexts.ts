// [w] TlsContexts: all TLS of one worker. Filter chains and clusters get their contexts here.
import type { Logger } from '../base/logger.ts';
import type { DownstreamTlsConfig, UpstreamTlsConfig } from '../config/transport-socket-config.ts';
import { ClientTlsContext } from './client-tls-context.ts';
import { NativeContexts } from './native-contexts.ts';
import { ServerTlsContext } from './server-tls-context.ts';
import type { TlsEnvironment } from './tls-environment.ts';

export class TlsContexts {
  readonly #shared: { readonly environment: TlsEnvironment; readonly natives: NativeContexts };
  readonly #log: Logger;

  constructor(environment: TlsEnvironment, log: Logger) {
    this.#shared = { environment, natives: new NativeContexts() };
    this.#log = log;
  }

  /** `scope`: what its stats are called by, `listener.<stat_prefix>`. */
  server(config: DownstreamTlsConfig, scope: string): ServerTlsContext {
    return new ServerTlsContext(config, scope, this.#shared, (message) =>
      this.#log.error(`${scope}: TLS context is not used: ${message}`),
    );
  }

  client(config: UpstreamTlsConfig, scope: string): ClientTlsContext {
    return new ClientTlsContext(config, scope, this.#shared, (message) =>
      this.#log.error(`${scope}: TLS context is not used: ${message}`),
    );
  }
}
