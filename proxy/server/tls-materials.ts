// [m] What of certificates each TLS context of listeners and clusters has in use: for /certs.
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { ListenerConfig } from '../config/listener-config.ts';
import { secretKey } from '../config/secret-config.ts';
import type { PemSource, SecretConfig, SecretRef } from '../config/secret-config.ts';
import type { TlsContextConfig, TransportSocketConfig } from '../config/transport-socket-config.ts';
import type { TlsMaterial } from './admin-context.ts';

type Lookup = (key: string) => SecretConfig | undefined;

export function tlsMaterials(
  listeners: readonly ListenerConfig[],
  clusters: readonly ClusterConfig[],
  lookup: Lookup,
): readonly TlsMaterial[] {
  const sockets: TransportSocketConfig[] = [];
  for (const { filterChains, defaultFilterChain } of listeners) {
    sockets.push(...filterChains.map(({ transportSocket }) => transportSocket));
    if (defaultFilterChain !== undefined) sockets.push(defaultFilterChain.transportSocket);
  }
  for (const { transportSocket, transportSocketMatches } of clusters)
    sockets.push(transportSocket, ...transportSocketMatches.map((match) => match.transportSocket));
  return sockets.flatMap((socket) =>
    socket.kind === 'tls' ? [materialOf(socket.settings, lookup)] : [],
  );
}

function materialOf(settings: TlsContextConfig, lookup: Lookup): TlsMaterial {
  const find = (ref: SecretRef): SecretConfig | undefined => lookup(secretKey(ref));
  const chains = settings.certificates.flatMap((source): readonly PemSource[] => {
    const secret = source.kind === 'inline' ? source.certificate : find(source.secret);
    return secret?.kind === 'certificate' ? [secret.certificateChain] : [];
  });
  const { validation } = settings;
  const secret = validation?.secret && find(validation.secret);
  const used = secret?.kind === 'validation' ? secret : validation?.inline;
  const trusted = used?.trustedCa;
  const spiffeBundles = used?.spiffeTrustDomains;
  return { trustedCas: trusted === undefined ? [] : [trusted], spiffeBundles, chains };
}
