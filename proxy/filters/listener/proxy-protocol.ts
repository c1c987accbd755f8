// [w] envoy.filters.listener.proxy_protocol: addresses and TLVs out of a header before the first byte (envoy-behaviour §8.4).
import type { ProxyProtocolFilterConfig } from '../../config/proxy-protocol-config.ts';
import { parseProxyHeader } from '../../network/proxy-header.ts';
import { byteText } from '../../base/byte-text.ts';
import { DynamicMetadata } from '../../stream-info/dynamic-metadata.ts';
import { FilterState } from '../../stream-info/filter-state.ts';
import type { ProxyHeader } from '../../stream-info/proxy-facts.ts';
import type { StatId, StatsStore } from '../../stats/store.ts';
import type { InspectedConnection, Inspector, InspectorVerdict } from './inspector.ts';

/** Names of filter state and of the typed metadata are Envoy's. */
const TLV_STATE = 'envoy.network.proxy_protocol.tlv';

interface VersionStats {
  readonly found: StatId;
  readonly disallowed: StatId;
  readonly error: StatId;
}

export class ProxyProtocolFilter implements Inspector {
  readonly waitsForClient = false;
  readonly #config: ProxyProtocolFilterConfig;
  readonly #store: StatsStore;
  readonly #v1: VersionStats;
  readonly #v2: VersionStats;
  readonly #notFoundAllowed: StatId;
  readonly #notFoundDisallowed: StatId;
  /** Of all versions, the listener's. */
  readonly #error: StatId;

  constructor(config: ProxyProtocolFilterConfig, store: StatsStore, listenerPrefix: string) {
    this.#config = config;
    this.#store = store;
    const root = `proxy_proto.${config.statPrefix === '' ? '' : `${config.statPrefix}.`}`;
    const ofVersion = (version: string): VersionStats => ({
      found: store.counter(`${root}versions.${version}.found`),
      disallowed: store.counter(`${root}versions.${version}.disallowed`),
      error: store.counter(`${root}versions.${version}.error`),
    });
    this.#v1 = ofVersion('v1');
    this.#v2 = ofVersion('v2');
    this.#notFoundAllowed = store.counter(`${root}not_found_allowed`);
    this.#notFoundDisallowed = store.counter(`${root}not_found_disallowed`);
    this.#error = store.counter(`listener.${listenerPrefix}.downstream_cx_proxy_proto_error`);
  }

  inspect(bytes: Buffer, found: InspectedConnection): InspectorVerdict {
    const { allowWithout, allowV1, allowV2 } = this.#config;
    const parsed = parseProxyHeader(bytes);
    if (parsed === 'wait') return 'wait';
    if (parsed === 'none') {
      this.#store.inc(allowWithout ? this.#notFoundAllowed : this.#notFoundDisallowed);
      return allowWithout ? 'done' : this.#reject();
    }
    const version = 'bad' in parsed ? parsed.bad : parsed.header.version;
    const stats = version === 1 ? this.#v1 : this.#v2;
    if (!('bad' in parsed)) this.#store.inc(stats.found);
    if (!(version === 1 ? allowV1 : allowV2)) {
      this.#store.inc(stats.disallowed);
      // A header that may not be is a client's bytes, where clients without one are let in.
      return allowWithout ? 'done' : this.#reject();
    }
    if ('bad' in parsed) {
      this.#store.inc(stats.error);
      return this.#reject();
    }
    this.#apply(parsed.header, found);
    found.consumed = (found.consumed ?? 0) + parsed.byteCount;
    return 'done';
  }

  #reject(): InspectorVerdict {
    this.#store.inc(this.#error);
    return 'reject';
  }

  #apply(header: ProxyHeader, found: InspectedConnection): void {
    const { rules, passThroughTlvs, tlvsToFilterState } = this.#config;
    const { source, destination, tlvs } = header;
    if (source !== null && destination !== null) {
      found.remote = source;
      found.local = destination;
    }
    const passed =
      passThroughTlvs === undefined
        ? []
        : tlvs.filter(({ type }) => passThroughTlvs === 'all' || passThroughTlvs.includes(type));
    found.proxyHeader = { ...header, tlvs: passed };
    for (const rule of rules) {
      // The last TLV of a type has its say, as in Envoy.
      const tlv = tlvs.findLast(({ type }) => type === rule.type);
      if (tlv === undefined) continue;
      const value =
        rule.encoding === 'base64'
          ? Buffer.from(tlv.value, 'latin1').toString('base64')
          : sanitised(tlv.value);
      if (tlvsToFilterState)
        (found.filterState ??= new FilterState()).set(TLV_STATE, stateOf(found, rule.key, value));
      else
        (found.dynamicMetadata ??= new DynamicMetadata()).set(
          byteText(rule.namespace),
          byteText(rule.key),
          value,
        );
    }
  }
}

function stateOf(
  found: InspectedConnection,
  key: string,
  value: string,
): { readonly text: null; readonly fields: ReadonlyMap<string, string> } {
  const before = found.filterState?.get(TLV_STATE)?.fields as
    | ReadonlyMap<string, string>
    | undefined;
  return { text: null, fields: new Map([...(before ?? []), [byteText(key), value]]) };
}

/** Bytes that are no UTF-8 become `!`, as in Envoy. */
function sanitised(value: string): string {
  const text = Buffer.from(value, 'latin1').toString('utf8');
  return byteText(text.replaceAll('\ufffd', '!'));
}
