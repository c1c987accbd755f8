// [w] envoy.filters.listener.tls_inspector: SNI and ALPN out of a ClientHello, without consuming bytes
// (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301 §3.1; envoy-behaviour §8.4).
import { readClientHello } from '../../tls/client-hello.ts';
import type { InspectedConnection, Inspector, InspectorVerdict } from './inspector.ts';

export class TlsInspector implements Inspector {
  readonly waitsForClient = true;

  inspect(bytes: Buffer, found: InspectedConnection): InspectorVerdict {
    const hello = readClientHello(bytes);
    if (hello === 'wait') return 'wait';
    if (hello === 'no') return 'done';
    found.transportProtocol = 'tls';
    found.serverName = hello.serverName;
    found.applicationProtocols = hello.applicationProtocols;
    return 'done';
  }
}
