// [b] What is set on sockets before they are used, as plain data (envoy.config.core.v3: SocketOption, BindConfig, TcpKeepalive).

export interface SocketOptionConfig {
  readonly level: number;
  readonly name: number;
  /** As the kernel gets it; an int in the machine's byte order. */
  readonly value: Uint8Array;
  /** Before bind(), behind it, or once the socket listens (never for connections that are dialled). */
  readonly state: 'PREBIND' | 'BOUND' | 'LISTENING';
  /** Absent: of both families. */
  readonly family?: 4 | 6 | undefined;
}

export interface SourceAddressConfig {
  readonly address: string;
  /** 0: the kernel's choice. */
  readonly port: number;
  /** Instead of those of the whole; absent: they hold. */
  readonly socketOptions?: readonly SocketOptionConfig[] | undefined;
}

/** Where connections come from. */
export interface UpstreamBindConfig {
  /** At most one of each family; empty: the kernel's choice. */
  readonly sources: readonly SourceAddressConfig[];
  /** The sources need not be addresses of this machine. */
  readonly freebind: boolean;
  readonly socketOptions: readonly SocketOptionConfig[];
}

/** Undefined: as the system has it. */
export interface TcpKeepaliveConfig {
  readonly timeSeconds: number | undefined;
  readonly intervalSeconds: number | undefined;
  readonly probes: number | undefined;
}

/** Which address of a host with several is tried when. */
export interface HappyEyeballsConfig {
  /** DEFAULT: that of the first address. */
  readonly firstFamily: 'DEFAULT' | 'V4' | 'V6';
  /** So many of them before one of the other. */
  readonly firstFamilyCount: number;
}
