// [w] What is known of a downstream connection for the connections that are made for it: a PROXY header, a source address.

export interface ProxiedAddress {
  readonly ip: string;
  readonly port: number;
}

export interface Tlv {
  readonly type: number;
  /** Byte string. */
  readonly value: string;
}

/** What a header of the PROXY protocol says. */
export interface ProxyHeader {
  readonly version: 1 | 2;
  /** Null: the connection's own (LOCAL, UNKNOWN, families that are not IP). */
  readonly source: ProxiedAddress | null;
  readonly destination: ProxiedAddress | null;
  readonly tlvs: readonly Tlv[];
}

/** An address that need not be the machine's own. */
export interface UpstreamSource {
  readonly ip: string;
  /** SO_MARK; 0: none. */
  readonly mark: number;
}
