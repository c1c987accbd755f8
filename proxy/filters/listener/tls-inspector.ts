// [w] envoy.filters.listener.tls_inspector: SNI and ALPN out of a ClientHello, without consuming bytes
// (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301 §3.1; envoy-behaviour §8.4).
import { readClientHello } from '../../tls/client-hello.ts';
import type { TlsInspectorConfig } from '../../config/listener-config.ts';
import { ja3, ja4 } from './ja3.ts';
import type { InspectedConnection, Inspector, InspectorVerdict } from './inspector.ts';

const DEFAULTS: TlsInspectorConfig = { kind: 'tls_inspector' };

export class TlsInspector implements Inspector {
  readonly waitsForClient = true;

  readonly #config: TlsInspectorConfig;

  constructor(config: TlsInspectorConfig = DEFAULTS) {
    this.#config = config;
  }

  inspect(bytes: Buffer, found: InspectedConnection): InspectorVerdict {
    const hello = readClientHello(bytes);
    if (hello === 'wait') return 'wait';
    if (hello === 'long') return 'reject';
    // Bytes that begin as TLS does and are none: plaintext, unless configured otherwise.
    if (hello === 'no')
      return this.#config.strict === true && bytes[0] === 0x16 ? 'reject' : 'done';
    if (this.#config.ja3 === true) found.ja3 = ja3(hello);
    if (this.#config.ja4 === true) found.ja4 = ja4(hello);
    found.transportProtocol = 'tls';
    found.serverName = hello.serverName;
    found.applicationProtocols = hello.applicationProtocols;
    return 'done';
  }
}
