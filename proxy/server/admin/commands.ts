// [m] The endpoints that change something: drains, health, logs, counters, the end (envoy-behaviour §12.2).
import type { AdminContext } from '../admin-context.ts';
import { OK, textResponse } from './admin-endpoint.ts';
import type { AdminResponse } from './admin-endpoint.ts';
import type { AdminQuery } from './admin-query.ts';

export function handleDrainListeners(context: AdminContext, query: AdminQuery): AdminResponse {
  context.drainListeners({
    inboundOnly: query.has('inboundonly'),
    graceful: query.has('graceful'),
    skipExit: query.has('skip_exit'),
  });
  return OK;
}

export function handleHealthcheckFail(context: AdminContext): AdminResponse {
  context.setHealthCheckFailed(true);
  return OK;
}

export function handleHealthcheckOk(context: AdminContext): AdminResponse {
  context.setHealthCheckFailed(false);
  return OK;
}

export function handleReopenLogs(context: AdminContext): AdminResponse {
  context.reopenLogs();
  return OK;
}

export async function handleResetCounters(context: AdminContext): Promise<AdminResponse> {
  await context.resetCounters();
  return OK;
}

export function handleQuit(context: AdminContext): AdminResponse {
  context.quit();
  return OK;
}

export function handleRuntimeModify(context: AdminContext, query: AdminQuery): AdminResponse {
  if (query.size > 0)
    return context.modifyRuntime(query.entries())
      ? OK
      : textResponse('No admin layer specified', 503);
  const usage =
    'usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n' +
    '       or send the parameters as form values\nuse an empty value to remove a previously added override';
  return textResponse(usage, 400);
}
