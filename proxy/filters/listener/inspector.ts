// [w] What listener filters that look at first bytes give and get.

/** Facts found out so far; filters add to them. */
export interface InspectedConnection {
  serverName: string;
  /** '' until a filter knew better. */
  transportProtocol: string;
  applicationProtocols: readonly string[];
}

/** `wait`: not enough bytes yet. */
export type InspectorVerdict = 'done' | 'wait';

export interface Inspector {
  /** Looks at all bytes received so far, consumes none. */
  inspect(bytes: Buffer, found: InspectedConnection): InspectorVerdict;
}
