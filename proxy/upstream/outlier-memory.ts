// [b] What workers count of hosts that outlier detection watches: a few integers a host in one SharedArrayBuffer. Any
// worker adds, so "consecutive" means of the whole proxy; main takes what an interval gathered (docs/adr/0012).

export const INTS_PER_OUTLIER_SLOT = 8;
/** Hosts that can be watched at once; later ones are not. */
export const MAX_OUTLIER_SLOTS = 131_072;

/** Offsets inside a slot. Those of requests are since the last interval. */
export const OutlierCount = {
  Consecutive5xx: 0,
  ConsecutiveGatewayFailure: 1,
  ConsecutiveLocalOriginFailure: 2,
  Requests: 3,
  Successes: 4,
  LocalOriginRequests: 5,
  LocalOriginSuccesses: 6,
} as const;
export type OutlierCount = (typeof OutlierCount)[keyof typeof OutlierCount];

/** Zero pages until touched: 4 MiB of address space, 32 bytes of memory a host that is watched. */
export const outlierCountsBuffer = (): SharedArrayBuffer =>
  new SharedArrayBuffer(MAX_OUTLIER_SLOTS * INTS_PER_OUTLIER_SLOT * Int32Array.BYTES_PER_ELEMENT);

/** The slot's place in an Int32Array over the buffer. */
export const outlierPlace = (slot: number): number => slot * INTS_PER_OUTLIER_SLOT;
