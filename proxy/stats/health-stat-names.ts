// [b] The stats of active checks and of outlier detection, for the table of all stats.
import { counters, gauges } from './stat-rows.ts';
import type { StatGroup } from './stat-rows.ts';

const DETECTORS: readonly (readonly [name: string, meaning: string])[] = [
  ['consecutive_5xx', 'answers of 500 and more in a row'],
  ['consecutive_gateway_failure', '502, 503 and 504 in a row'],
  ['consecutive_local_origin_failure', 'failures on the way in a row'],
  ['success_rate', 'fewer good answers than others have'],
  ['local_origin_success_rate', 'fewer good connections than others have'],
  ['failure_percentage', 'too many bad answers'],
  ['local_origin_failure_percentage', 'too many failures on the way'],
];

export const HEALTH_STAT_GROUPS: readonly StatGroup[] = [
  {
    title: 'Active health checks',
    prefix: 'cluster.<name>.health_check.',
    rows: [
      ...counters(`
        attempt: checks begun
        success: checks that passed
        failure: checks that failed, and hosts that called themselves unhealthy
        network_failure: of these, without an answer
        passive_failure: of these, said by a host in an answer to a request
        verify_cluster: checks whose answer was asked for the name of its cluster`),
      ...gauges(`
        healthy: hosts whose checks pass
        degraded: hosts whose checks say that they are degraded`),
    ],
  },
  {
    title: 'Outlier detection',
    prefix: 'cluster.<name>.outlier_detection.',
    rows: [
      ...counters(`
        ejections_enforced_total: hosts that were ejected
        ejections_overflow: hosts that were not, because too many were away
        ejections_total: hosts found for answers of 500 and more in a row, or for their success rate (old)
        ejections_consecutive_5xx: hosts found for answers of 500 and more in a row (old)
        ejections_success_rate: hosts found for their success rate (old)
        ejections_detected_degradation: hosts that called themselves degraded
        ${DETECTORS.map(([name, what]) => `ejections_detected_${name}: hosts found: ${what}`).join('\n')}
        ${DETECTORS.map(([name, what]) => `ejections_enforced_${name}: hosts ejected: ${what}`).join('\n')}`),
      ...gauges(`ejections_active: hosts that are away`),
    ],
  },
];
