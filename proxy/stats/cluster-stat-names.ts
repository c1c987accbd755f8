// [b] Stats of a cluster that tell of its hosts and where they come from; part of the table in stat-names.ts.
import { counters, gauges } from './stat-rows.ts';
import type { StatRow } from './stat-rows.ts';

export const CLUSTER_UPDATE_ROWS: readonly StatRow[] = [
  ...counters(`
    membership_change: times hosts came or went, by priority
    update_attempt: queries of DNS, updates of EDS
    update_success: those that gave hosts
    update_failure: those that failed
    update_empty: answers of EDS without the assignment
    update_no_rebuild: those that changed nothing
    update_rejected: assignments refused
    init_fetch_timeout: waits for the first assignment that were given up
    assignment_stale: assignments whose hosts were dropped because nobody renewed them
    assignment_timeout_received: assignments that name a time within which to renew them
    assignment_use_cached: always 0`),
  ...gauges(`
    warming_state: 1 while a version waits for its endpoints
    version: hash of the version of the last assignment
    membership_total: hosts
    membership_healthy: healthy hosts
    membership_degraded: degraded hosts`),
];
