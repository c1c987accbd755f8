// [w] x-forwarded-client-cert: what a request may say of the client's certificate (envoy-behaviour §9.5).
import type {
  ClientCertDetailsConfig,
  HttpConnectionManagerConfig,
} from '../config/http-connection-manager-config.ts';
import type { PeerCertificateFacts, TlsFacts } from '../stream-info/tls-facts.ts';
import type { RequestHeaders } from './header-map.ts';
import { H } from './headers.ts';

export class ClientCertHeader {
  readonly #mode: HttpConnectionManagerConfig['forwardClientCertDetails'];
  readonly #details: ClientCertDetailsConfig | undefined;
  /** An element is made once for each connection that needs one. */
  readonly #elements = new WeakMap<TlsFacts, string>();

  constructor(
    config: Pick<
      HttpConnectionManagerConfig,
      'forwardClientCertDetails' | 'setCurrentClientCertDetails'
    >,
  ) {
    this.#mode = config.forwardClientCertDetails;
    this.#details = config.setCurrentClientCertDetails;
  }

  apply(headers: RequestHeaders, tls: TlsFacts | undefined): void {
    const mode = this.#mode;
    if (mode === 'ALWAYS_FORWARD_ONLY') return;
    // Who shows no certificate has none to speak of: what the header claims is made up.
    if (mode === 'SANITIZE' || tls === undefined || tls.peer === null) {
      headers.remove(H.xForwardedClientCert);
      return;
    }
    if (mode === 'FORWARD_ONLY') return;
    let element = this.#elements.get(tls);
    if (element === undefined) {
      element = elementOf(tls, tls.peer, this.#details);
      this.#elements.set(tls, element);
    }
    if (mode === 'APPEND_FORWARD') headers.append(H.xForwardedClientCert, element, ',');
    else headers.set(H.xForwardedClientCert, element);
  }
}

function elementOf(
  tls: TlsFacts,
  peer: PeerCertificateFacts,
  details: ClientCertDetailsConfig | undefined,
): string {
  const parts = (tls.localNames?.uri ?? []).map((uri) => `By=${uri}`);
  parts.push(`Hash=${peer.fingerprint256}`);
  if (details !== undefined) parts.push(...chosenParts(peer, details));
  return fieldText(parts.join(';'));
}

function chosenParts(
  peer: PeerCertificateFacts,
  details: ClientCertDetailsConfig,
): readonly string[] {
  const { uri, dns } = peer.names;
  return [
    ...(details.cert ? [`Cert="${peer.pem}"`] : []),
    ...(details.chain ? [`Chain="${peer.chainPem}"`] : []),
    ...(details.subject ? [`Subject="${peer.subject}"`] : []),
    ...(details.uri ? (uri.length === 0 ? [''] : uri).map((name) => `URI=${name}`) : []),
    ...(details.dns ? dns.map((name) => `DNS=${name}`) : []),
  ];
}

/** A name is any bytes that its authority signed; a header takes no control bytes. */
const fieldText = (text: string): string =>
  text.replaceAll(
    /[\0-\x1f\x7f]/g,
    (control) => `%${control.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
