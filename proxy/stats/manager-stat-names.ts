// [b] The part of the table of stats (stat-names.ts) for the managers of clusters and listeners.
import { counters, gauges } from './stat-rows.ts';
import type { StatGroup } from './stat-rows.ts';

export const MANAGER_STAT_GROUPS: readonly StatGroup[] = [
  {
    title: 'Cluster manager',
    prefix: 'cluster_manager.',
    rows: [
      ...counters(`
        cluster_added: clusters that came
        cluster_modified: clusters that changed
        cluster_removed: clusters that went
        cluster_updated: changes of hosts
        cluster_updated_via_merge: always 0, as the next two: workers are told of every change
        update_merge_cancelled: …
        update_out_of_merge_window: …`),
      ...gauges(`
        active_clusters: clusters in use
        warming_clusters: clusters that wait for their endpoints`),
    ],
  },
  {
    title: 'Listener manager',
    prefix: 'listener_manager.',
    rows: [
      ...counters(`
        listener_added: listeners that came
        listener_modified: listeners that changed
        listener_removed: listeners that went
        listener_stopped: listeners that stopped accepting
        listener_in_place_updated: listeners of which only filter chains changed
        listener_create_success: sockets bound, of all workers
        listener_create_failure: sockets that could not be bound`),
      ...gauges(`
        total_listeners_active: listeners in use
        total_listeners_warming: listeners that wait for their routes or clusters
        total_listeners_draining: listeners removed or replaced whose connections may stay until the drain time ends
        total_filter_chains_draining: the same of filter chains of listeners that stay; those that an update changed in place do not drain
        workers_started: 1 when all workers run`),
    ],
  },
];
