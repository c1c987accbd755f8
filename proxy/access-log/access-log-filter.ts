// [w] Which requests an access log tells of (envoy-behaviour §11.1, access-log filters); compiled once.
import { unreachable } from '../base/assert.ts';
import { isResponseFlag } from '../stream-info/response-flags.ts';
import type { AccessLogFilterConfig } from '../config/access-log-config.ts';
import type { AccessLogEntry } from '../http/conn-manager-context.ts';

export type AccessLogFilter = (entry: AccessLogEntry) => boolean;

type Comparison = (actual: number) => boolean;

function comparison(op: 'EQ' | 'GE' | 'LE' | 'NE', value: number): Comparison {
  switch (op) {
    case 'EQ':
      return (actual) => actual === value;
    case 'GE':
      return (actual) => actual >= value;
    case 'LE':
      return (actual) => actual <= value;
    case 'NE':
      return (actual) => actual !== value;
    default:
      return unreachable(op);
  }
}

function responseFlagFilter(flags: readonly string[]): AccessLogFilter {
  if (flags.length === 0) return ({ info }) => info.flags !== '-';
  const known = flags.filter(isResponseFlag);
  return ({ info }) => known.some((flag) => info.hasFlag(flag));
}

export function compileAccessLogFilter(config: AccessLogFilterConfig): AccessLogFilter {
  switch (config.kind) {
    case 'status_code': {
      const matches = comparison(config.op, config.value);
      return ({ info }) => matches(info.responseCode);
    }
    case 'duration': {
      const matches = comparison(config.op, config.valueMs);
      return ({ info }) => matches(Math.floor(info.endMs - info.startMs));
    }
    case 'response_flag':
      return responseFlagFilter(config.flags);
    case 'not_health_check':
      return ({ info }) => !info.healthCheck;
    case 'and': {
      const filters = config.filters.map(compileAccessLogFilter);
      return (entry) => filters.every((filter) => filter(entry));
    }
    case 'or': {
      const filters = config.filters.map(compileAccessLogFilter);
      return (entry) => filters.some((filter) => filter(entry));
    }
    case 'inert':
      return () => true;
    default:
      return unreachable(config);
  }
}
