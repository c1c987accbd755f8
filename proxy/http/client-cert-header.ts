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
  const parts: string[] = [];
  for (const uri of tls.localNames?.uri ?? []) parts.push(`By=${uri}`);
  parts.push(`Hash=${peer.fingerprint256}`);
  if (details?.cert === true) parts.push(`Cert="${peer.pem}"`);
  if (details?.chain === true) parts.push(`Chain="${peer.chainPem}"`);
  if (details?.subject === true) parts.push(`Subject="${peer.subject}"`);
  const { uri, dns } = peer.names;
  if (details?.uri === true) {
    if (uri.length === 0) parts.push('URI=');
    for (const name of uri) parts.push(`URI=${name}`);
  }
  if (details?.dns === true) for (const name of dns) parts.push(`DNS=${name}`);
  return fieldText(parts.join(';'));
}

/** A name is any bytes that its authority signed; a header takes no control bytes. */
const fieldText = (text: string): string =>
  text.replaceAll(/[\0-\x1f\x7f]/g, (control) =>
    `%${control.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
