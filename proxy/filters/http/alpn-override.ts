// [w] istio.alpn: which protocols a request's connection offers to the other sidecar's TLS, by what is spoken inside
// (istio-contract §4.6, §9.4). The server's filter chains are chosen by them.
import type { AlpnOverrideConfig } from '../../config/http-filter-config.ts';
import type { ClusterConfig } from '../../config/cluster-config.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import { APPLICATION_PROTOCOLS } from '../../router/transport-overrides.ts';
import type { FilterStateObject } from '../../stream-info/filter-state.ts';
import type { FilterFactoryContext } from '../factory-context.ts';

type Protocol = keyof AlpnOverrideConfig['protocols'];

export class AlpnOverrideFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #clusters: FilterFactoryContext['clusters'];
  /** One object for each protocol: pools of equal objects are found without a look into them. */
  readonly #objects = new Map<Protocol, FilterStateObject>();
  readonly #wanted = new WeakMap<ClusterConfig, boolean>();

  constructor(name: string, config: AlpnOverrideConfig, context: FilterFactoryContext) {
    this.name = name;
    this.#clusters = context.clusters;
    for (const [protocol, list] of Object.entries(config.protocols))
      if (list.length > 0) this.#objects.set(protocol as Protocol, { text: null, list });
  }

  /** Never a filter: all is said once the route is known. */
  createFilter({ route, streamInfo }: FilterCallbacks): HttpFilter | null {
    const name = route?.clusterName ?? '';
    const config = name === '' ? undefined : this.#clusters.get(name)?.config;
    if (config === undefined || !this.#wants(config)) return null;
    const object = this.#objects.get(upstreamProtocol(config, streamInfo.protocol));
    if (object !== undefined) streamInfo.filterStateForWriting().set(APPLICATION_PROTOCOLS, object);
    return null;
  }

  /** Plaintext clusters have no use for it, and Istio says of some others that they are no sidecars. */
  #wants(config: ClusterConfig): boolean {
    let wanted = this.#wanted.get(config);
    if (wanted === undefined) {
      wanted = hasTls(config) && !isOptedOut(config);
      this.#wanted.set(config, wanted);
    }
    return wanted;
  }
}

const hasTls = ({ transportSocket, transportSocketMatches }: ClusterConfig): boolean =>
  transportSocket.kind === 'tls' ||
  transportSocketMatches.some((match) => match.transportSocket.kind === 'tls');

function isOptedOut({ metadata }: ClusterConfig): boolean {
  const istio = metadata.get('istio');
  if (istio === undefined) return false;
  return (JSON.parse(istio) as { alpn_override?: unknown }).alpn_override === 'false';
}

/** The one that is asked for first, where ALPN is to choose. */
function upstreamProtocol({ http }: ClusterConfig, downstream: string): Protocol {
  switch (http.protocol) {
    case 'http1':
      return 'http11';
    case 'http2':
    case 'auto':
      return 'http2';
    case 'use_downstream':
      if (downstream === 'HTTP/2') return 'http2';
      return downstream === 'HTTP/1.0' ? 'http10' : 'http11';
  }
}
