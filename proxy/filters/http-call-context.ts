// [w] The router context of requests that filters send themselves: statistics are `http.async-client.…`, as in Envoy.
import { DEFAULT_BODY_BUFFER_LIMIT_BYTES } from '../router/router-context.ts';
import type { RouterContext } from '../router/router-context.ts';
import { RouterStats } from '../router/router-stats.ts';
import { UpstreamCharges } from '../router/upstream-charges.ts';
import type { FilterFactoryContext } from './factory-context.ts';

export function httpCallContext(context: FilterFactoryContext): RouterContext {
  const stats = new RouterStats(context.stats, 'async-client');
  return {
    clusters: context.clusters,
    stats,
    charges: new UpstreamCharges({
      stats,
      dynamicStats: true,
      suppressGrpcCodes: false,
      zone: context.zone ?? '',
    }),
    timers: context.timers,
    time: context.time,
    random: context.random,
    nodeIp: context.nodeIp ?? '127.0.0.1',
    upstreamLog: null,
    suppressEnvoyHeaders: false,
    respectExpectedRqTimeout: false,
    strictChecks: [],
    useRetry: null,
    maintenance: null,
    bodyBufferLimitBytes: DEFAULT_BODY_BUFFER_LIMIT_BYTES,
  };
}
