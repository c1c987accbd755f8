// [m] Settings of istio.alpn (istio-contract §2.8).
import type { HttpFilterSettings } from '../config/http-filter-config.ts';
import type { TypedConfig } from './typed-config.ts';

const NAMES = { HTTP10: 'http10', HTTP11: 'http11', HTTP2: 'http2' } as const;

export function decodeAlpnOverride(config: TypedConfig): HttpFilterSettings | undefined {
  const reader = config.as('istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig');
  if (reader === undefined) return undefined;
  const protocols = {
    http10: [] as readonly string[],
    http11: [] as readonly string[],
    http2: [] as readonly string[],
  };
  for (const override of reader.children('alpn_override')) {
    const protocol = override.enumName('upstream_protocol', 'HTTP10');
    protocols[NAMES[protocol]] = override.message.alpn_override ?? [];
  }
  return { kind: 'alpn_override', protocols };
}
