// Settings of HTTP filters with every field at its default; a test changes the field it is about.
import type { FaultConfig } from '../../proxy/config/fault-config.ts';

export function faultConfig(changes: Partial<FaultConfig> = {}): FaultConfig {
  return {
    kind: 'fault',
    delay: undefined,
    abort: undefined,
    responseRateLimit: undefined,
    upstreamCluster: '',
    headers: [],
    downstreamNodes: [],
    maxActiveFaults: undefined,
    disableDownstreamClusterStats: false,
    filterMetadata: new Map(),
    runtime: {
      delayPercent: 'fault.http.delay.fixed_delay_percent',
      delayDuration: 'fault.http.delay.fixed_duration_ms',
      abortPercent: 'fault.http.abort.abort_percent',
      abortHttpStatus: 'fault.http.abort.http_status',
      abortGrpcStatus: 'fault.http.abort.grpc_status',
      responseRateLimitPercent: 'fault.http.rate_limit.response_percent',
      maxActiveFaults: 'fault.http.max_active_faults',
    },
    ...changes,
  };
}
