// [m] /stats/prometheus.
import type { AdminContext } from '../admin-context.ts';
import { textResponse } from './admin-endpoint.ts';
import type { AdminResponse } from './admin-endpoint.ts';
import type { AdminQuery } from './admin-query.ts';
import { selectStats, statsReader } from './stats-reader.ts';

/** Modes of `histogram_buckets` that this text has; summaries need intervals, which are not kept. */
const MODES: ReadonlySet<string> = new Set(['cumulative', 'none']);

export async function handlePrometheus(
  context: AdminContext,
  query: AdminQuery,
): Promise<AdminResponse> {
  const mode = query.get('histogram_buckets');
  if (mode === 'prometheusnative') {
    return textResponse(
      'unsupported prometheusnative histogram type when not using protobuf exposition format',
      400,
    );
  }
  if (mode !== undefined && !MODES.has(mode))
    return textResponse('unsupported prometheus histogram bucket mode', 400);
  const stats = await selectStats(context, query);
  if (!Array.isArray(stats)) return stats;
  return textResponse(statsReader(context).prometheus(stats));
}
