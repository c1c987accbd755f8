// [w] Why a request is traced; the order is that of Envoy's marks in request ids.

export const TraceReason = { None: 0, Sampled: 1, Forced: 2, Client: 3 } as const;
export type TraceReason = (typeof TraceReason)[keyof typeof TraceReason];
