// [w] The TLS of clusters, as their pools ask for it: one context for each transport socket of a cluster, one transport for
// each host and what streams want of it.
import type { UpstreamTransport } from '../network/upstream-transport.ts';
import type { TransportSocketConfig } from '../config/transport-socket-config.ts';
import type { ClientTlsContext } from '../tls/client-tls-context.ts';
import { ClientTransport } from '../tls/client-transport.ts';
import type { TlsContexts } from '../tls/tls-contexts.ts';
import type { TransportRequest, UpstreamTransports } from '../upstream/upstream-transports.ts';
import { assert } from '../base/assert.ts';

export class TlsTransports implements UpstreamTransports {
  readonly #contexts: TlsContexts;
  /** Goes with the configuration it is made of. */
  readonly #bySocket = new WeakMap<TransportSocketConfig, ClientTlsContext>();

  constructor(contexts: TlsContexts) {
    this.#contexts = contexts;
  }

  transportFor({ cluster, socket, host, overrides }: TransportRequest): UpstreamTransport {
    assert(
      socket.kind === 'tls' && socket.settings.side === 'upstream',
      'a cluster has upstream TLS',
    );
    const { settings } = socket;
    let context = this.#bySocket.get(socket);
    if (context === undefined) {
      context = this.#contexts.client(settings, `cluster.${cluster.statName}`);
      this.#bySocket.set(socket, context);
    }
    const configured = settings.autoHostSni && host.hostname !== '' ? host.hostname : settings.sni;
    const own = settings.alpnProtocols;
    return new ClientTransport(context, {
      serverName: overrides?.serverName ?? configured,
      applicationProtocols:
        overrides?.applicationProtocols ??
        (own.length > 0 ? own : FALLBACK_ALPN[cluster.http.protocol]),
      requiredNames: overrides?.subjectAltNames ?? null,
    });
  }
}

/** Where a context lists none (envoy-behaviour §9.1). */
const FALLBACK_ALPN = {
  http1: ['http/1.1'],
  http2: ['h2'],
  auto: ['h2', 'http/1.1'],
  use_downstream: [],
} as const;
