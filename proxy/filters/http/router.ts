// [w] RouterFilterFactory: envoy.filters.http.router, the last entry of every chain; the filter is in router/.
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import type { RouterFilterConfig } from '../../config/http-filter-config.ts';
import type { Fraction, Runtime } from '../../base/runtime.ts';
import { MAINTENANCE_KEY } from '../../router/admission.ts';
import type { UpstreamLogSettings } from '../../router/attempt-log.ts';
import { DEFAULT_BODY_BUFFER_LIMIT_BYTES } from '../../router/router-context.ts';
import type { RouterContext } from '../../router/router-context.ts';
import { RouterFilter } from '../../router/router-filter.ts';
import { RouterStats } from '../../router/router-stats.ts';
import { strictChecks } from '../../router/strict-headers.ts';
import { UpstreamCharges } from '../../router/upstream-charges.ts';
import type { FilterFactoryContext } from '../factory-context.ts';

function upstreamLogOf(
  { upstreamLogs = [], upstreamLogOptions }: RouterFilterConfig,
  context: FilterFactoryContext,
): UpstreamLogSettings | null {
  const logs = upstreamLogs.length === 0 ? [] : (context.createAccessLogs?.(upstreamLogs) ?? []);
  if (logs.length === 0) return null;
  return {
    logs,
    flushOnReady: upstreamLogOptions?.flushOnStart ?? false,
    flushIntervalMs: upstreamLogOptions?.flushIntervalMs ?? 0,
    timers: context.timers,
    time: context.time,
  };
}

const ALL = { numerator: 100, denominator: 100 };

function useRetryOf(runtime: Runtime): Fraction | null {
  const fraction = runtime.fraction('upstream.use_retry', ALL);
  return fraction.numerator >= fraction.denominator ? null : fraction;
}

export class RouterFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #context: RouterContext;

  constructor(name: string, config: RouterFilterConfig, context: FilterFactoryContext) {
    const stats = new RouterStats(context.stats, context.statPrefix);
    this.name = name;
    this.#context = {
      clusters: context.clusters,
      stats,
      timers: context.timers,
      time: context.time,
      random: context.random,
      charges: new UpstreamCharges({
        stats,
        dynamicStats: config.dynamicStats ?? true,
        suppressGrpcCodes: config.suppressGrpcRequestFailureCodeStats ?? false,
        zone: context.zone ?? '',
      }),
      useRetry: useRetryOf(context.runtime),
      maintenance: context.runtime.hasKeys(MAINTENANCE_KEY) ? context.runtime : null,
      nodeIp: context.nodeIp ?? '127.0.0.1',
      suppressEnvoyHeaders: config.suppressEnvoyHeaders,
      respectExpectedRqTimeout: config.respectExpectedRqTimeout,
      upstreamLog: upstreamLogOf(config, context),
      strictChecks: strictChecks(config.strictCheckHeaders),
      bodyBufferLimitBytes: context.bufferLimitBytes ?? DEFAULT_BODY_BUFFER_LIMIT_BYTES,
    };
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter {
    return new RouterFilter(this.#context, callbacks);
  }
}
