// [w] TLVs that tcp_proxy adds to the PROXY header of its upstreams (proxy_protocol_tlvs): kept with the client's own, as if they had come
// in, so that the cluster's pass_through_tlvs decides about them as well.
import type { FormatEnvironment } from '../../access-log/format-environment.ts';
import type { SessionTlvsConfig, TlvMergePolicy } from '../../config/proxy-protocol-config.ts';
import type { ProxyHeader, Tlv } from '../../stream-info/proxy-facts.ts';
import type { StreamInfo } from '../../stream-info/stream-info.ts';
import { FormatText } from '../format-text.ts';
import { NO_HEADERS } from './tcp-proxy-context.ts';

interface AddedTlv {
  readonly type: number;
  readonly value: string | FormatText;
}

/** Where no header came in: the addresses are the connection's own. */
const NO_HEADER: ProxyHeader = { version: 2, source: null, destination: null, tlvs: [] };

export class SessionTlvs {
  readonly #added: readonly AddedTlv[];
  readonly #policy: TlvMergePolicy;

  /** Throws ConfigError for a command that does not exist. */
  constructor({ added, policy }: SessionTlvsConfig, environment: FormatEnvironment) {
    this.#policy = policy;
    this.#added = added.map((config, i) => ({
      type: config.type,
      value:
        'value' in config
          ? config.value
          : new FormatText(config.format, environment, `proxy_protocol_tlvs[${i}].format_string`),
    }));
  }

  /** What the connection's header is from now on. */
  headerFor(info: StreamInfo): ProxyHeader {
    const came = info.connection.proxyHeader;
    if (came === undefined) return { ...NO_HEADER, tlvs: this.#values(info) };
    if (this.#policy === 'if absent') return came;
    const added = this.#values(info);
    if (this.#policy === 'append') return { ...came, tlvs: [...came.tlvs, ...added] };
    const replaced = new Set(added.map(({ type }) => type));
    const kept = came.tlvs.filter(({ type }) => !replaced.has(type));
    return { ...came, tlvs: [...added, ...kept] };
  }

  #values(info: StreamInfo): readonly Tlv[] {
    return this.#added.map(({ type, value }) => ({
      type,
      value: typeof value === 'string' ? value : value.of(NO_HEADERS, info),
    }));
  }
}
