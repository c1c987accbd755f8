// [m] How active checks reach hosts: main's own loop, the transport sockets of the cluster (TLS with the secrets that workers
// have, too).
import { lazyPart } from '../base/lazy-part.ts';
import type { Logger } from '../base/logger.ts';
import type { TimeSource } from '../base/clock.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { EndpointConfig } from '../config/endpoint-config.ts';
import type { HealthCheckConfig } from '../config/health-check-config.ts';
import type { UpstreamBindConfig } from '../config/socket-config.ts';
import type { TlsContextConfig } from '../config/transport-socket-config.ts';
import { dialOptions } from '../network/dial-options.ts';
import { IoThread } from '../network/io-thread.ts';
import type { StatsStore } from '../stats/store.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import { diallingOf } from '../upstream/conn-pool/pool-context.ts';
import { checkAddress } from '../upstream/health-address.ts';
import { SocketDialer } from '../upstream/health-dialer.ts';
import type { HealthDialer } from '../upstream/health-dialer.ts';
import { Host } from '../upstream/host.ts';
import { transportSocketFor } from '../upstream/transport-socket-choice.ts';
import type { UpstreamTransports } from '../upstream/upstream-transports.ts';
import { newTicketSecret } from './ticket-secret.ts';

const threadTls = lazyPart<typeof import('./thread-tls.ts')>('server/thread-tls');

export interface HealthDialersParts {
  readonly time: TimeSource;
  readonly stats: StatsStore;
  readonly secrets: SecretStore;
  readonly log: Logger;
  /** Of clusters that say none. */
  readonly bind: UpstreamBindConfig | undefined;
}

export class HealthDialers {
  readonly #parts: HealthDialersParts;
  /** Both are made when first needed. */
  #io: IoThread | null = null;
  #transports: UpstreamTransports | null = null;

  constructor(parts: HealthDialersParts) {
    this.#parts = parts;
  }

  dialer(cluster: ClusterConfig, check: HealthCheckConfig, endpoint: EndpointConfig): HealthDialer {
    const { time, bind } = this.#parts;
    this.#io ??= new IoThread(time);
    const host = new Host(labelled(endpoint, check), 0);
    const socket = transportSocketFor(cluster, host);
    const secure = socket.kind === 'tls';
    const dialling = diallingOf(
      {
        config: cluster,
        transports: secure ? this.#tls() : null,
        dialOptions: dialOptions({
          bind: cluster.bind ?? bind,
          keepalive: cluster.tcpKeepalive,
          happyEyeballs: cluster.happyEyeballs,
        }),
      },
      host,
      secure ? { key: 'check', applicationProtocols: alpnOf(check, socket.settings) } : null,
    );
    return new SocketDialer(this.#io, checkAddress(endpoint), dialling.options, secure);
  }

  close(): void {
    this.#io?.timers.close();
  }

  #tls(): UpstreamTransports {
    if (this.#transports !== null) return this.#transports;
    const { stats, secrets, time, log } = this.#parts;
    const ticketSecret = newTicketSecret();
    const { transports } = new (threadTls().ThreadTls)({ time, stats, secrets, log, ticketSecret });
    this.#transports = transports;
    return transports;
  }
}

/** Never what requests of the cluster would offer: a check may speak another protocol. */
function alpnOf(check: HealthCheckConfig, settings: TlsContextConfig): readonly string[] {
  if (check.alpnProtocols.length > 0) return check.alpnProtocols;
  if (settings.alpnProtocols.length > 0) return settings.alpnProtocols;
  const { checker } = check;
  const http2 = checker.kind === 'grpc' || (checker.kind === 'http' && checker.http2);
  // Envoy offers nothing, and such a check fails wherever HTTP/2 has to be agreed upon.
  return http2 ? ['h2'] : [];
}

/** Checks may choose among transport sockets by labels of their own. */
function labelled(endpoint: EndpointConfig, check: HealthCheckConfig): EndpointConfig {
  const { transportSocketMatch } = check;
  if (transportSocketMatch === undefined) return endpoint;
  const { localitySocketMatch: _, ...rest } = endpoint;
  return { ...rest, transportSocketMatch };
}
