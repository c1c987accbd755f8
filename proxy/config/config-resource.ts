// [m] A resource as the managers of clusters and listeners take it, and as /config_dump shows it.

/** Decoded, with the bytes it came from. The shape of `XdsResource`, which these layers may not import. */
export interface ConfigResource<T> {
  readonly name: string;
  /** As the control plane gave it; '' when static. */
  readonly version: string;
  readonly config: T;
  /** Bytes of the protobuf message. */
  readonly raw: Uint8Array;
}

/** Refused by the decoder; the last good one of that name stays. */
export interface RejectedConfigResource {
  readonly name: string;
  readonly version: string;
  readonly message: string;
  readonly raw: Uint8Array;
}

/** Why a manager does not take a resource; becomes part of the NACK. */
export interface ConfigResourceProblem {
  readonly name: string;
  readonly message: string;
}

export type ConfigResourceState = 'static' | 'active' | 'warming' | 'draining';

/** The last update of a resource that was refused, or could not be carried out (a bind that failed). */
export interface ConfigErrorState {
  readonly details: string;
  readonly lastUpdateAttemptMs: number;
  /** `version_info` and bytes of what was refused. */
  readonly version: string;
  readonly raw: Uint8Array;
}

/** One state of one resource. A resource that is active while its successor warms, or its predecessor drains, has two entries. */
export interface ConfigDumpEntry {
  readonly name: string;
  readonly state: ConfigResourceState;
  readonly version: string;
  readonly raw: Uint8Array;
  /** Wall clock. */
  readonly lastUpdatedMs: number;
  readonly errorState: ConfigErrorState | undefined;
}

/** Stands in a dump for a resource of which no version was ever taken. */
export interface ConfigDumpFailure {
  readonly name: string;
  readonly errorState: ConfigErrorState;
}

/** All of one type. */
export interface ConfigDumpSection {
  readonly entries: readonly ConfigDumpEntry[];
  readonly failures: readonly ConfigDumpFailure[];
  /** Version of the last accepted response of this type; '' when none. */
  readonly versionInfo: string;
}
