// [m] What the process tells of itself: /ready, /memory, /runtime, /certs, /init_dump, /contention, /hot_restart_version.
import type { AdminContext } from '../admin-context.ts';
import { jsonResponse, textResponse } from './admin-endpoint.ts';
import type { AdminResponse } from './admin-endpoint.ts';

export function handleReady(context: AdminContext): AdminResponse {
  const state = context.state();
  return textResponse(`${state}\n`, state === 'LIVE' ? 200 : 503);
}

/** Envoy's fields, filled from V8 and the kernel; the allocator's own are not known. */
export function handleMemory(): AdminResponse {
  const { heapUsed, external, heapTotal, rss } = process.memoryUsage();
  return jsonResponse({
    allocated: String(heapUsed + external),
    heap_size: String(heapTotal + external),
    pageheap_unmapped: '0',
    pageheap_free: String(heapTotal - heapUsed),
    total_thread_cache: '0',
    total_physical_bytes: String(rss),
  });
}

export function handleRuntime(context: AdminContext): AdminResponse {
  const { layers, merged } = context.runtime();
  const keys = new Set(layers.flatMap(({ values }) => [...values.keys()]));
  const entries = Object.create(null) as Record<string, unknown>;
  for (const key of [...keys].sort()) {
    const layerValues = layers.map(({ values }) => values.get(key) ?? '');
    entries[key] = { layer_values: layerValues, final_value: merged.get(key) ?? '' };
  }
  return jsonResponse({ entries, layers: layers.map(({ name }) => name) });
}

/** Listeners that wait for their routes or clusters. */
export function handleInitDump(context: AdminContext): AdminResponse {
  const warming = context.dumpListeners().entries.filter(({ state }) => state === 'warming');
  if (warming.length === 0) return jsonResponse({});
  const dumps = warming.map(({ name }) => ({
    name: `init manager Listener-local-init-manager ${name}`,
  }));
  return jsonResponse({ unready_targets_dumps: dumps });
}

export const handleContention = (): AdminResponse =>
  textResponse(
    'Mutex contention tracing is not enabled. To enable, run Envoy with flag --enable-mutex-tracing.',
  );

export const handleHotRestartVersion = (): AdminResponse => textResponse('disabled');

/** One line for each thing that is configured and not done. */
export const handleInert = ({ inertNotes }: AdminContext): AdminResponse =>
  textResponse(inertNotes.map((note) => `${note}\n`).join(''));
