// [m] Headers that active checks add and remove, compiled; and what is wrong with them, found before anything runs.
import { ConfigError } from '../config/config-error.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { HealthCheckConfig } from '../config/health-check-config.ts';
import { HeaderOperations } from '../router/header-operations.ts';
import { NO_ENVIRONMENT } from '../router/route-environment.ts';
import type { RouteEnvironment } from '../router/route-environment.ts';

/** Throws ConfigError for a bad %COMMAND%. */
export function compileCheckHeaders(
  { checker }: HealthCheckConfig,
  environment: RouteEnvironment,
): HeaderOperations {
  const headers = checker.kind === 'tcp' ? [] : checker.headers;
  const place =
    checker.kind === 'grpc'
      ? 'health_checks[0].grpc_health_check.initial_metadata'
      : 'health_checks[0].http_health_check.request_headers_to_add';
  return new HeaderOperations(headers, place, environment);
}

/** Undefined: nothing. */
export function healthCheckProblem({ healthCheck }: ClusterConfig): string | undefined {
  if (healthCheck === undefined) return undefined;
  try {
    compileCheckHeaders(healthCheck, NO_ENVIRONMENT);
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}
