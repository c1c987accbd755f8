// [b] Stats of secrets that come by SDS; part of the table in stat-names.ts.
import { counters, gauges, histograms } from './stat-rows.ts';
import type { StatGroup } from './stat-rows.ts';

export const SECRET_STAT_GROUPS: readonly StatGroup[] = [
  {
    title: 'Clusters: secrets',
    prefix: 'cluster.<name>.client_ssl_socket_factory.',
    rows: [
      ...counters(`
        ssl_context_update_by_sds: secrets of its TLS sockets that came
        upstream_context_secrets_not_ready: connections that failed as a secret has not come`),
    ],
  },
  {
    title: 'Listeners: secrets',
    prefix: 'listener.<stat_prefix>.server_ssl_socket_factory.',
    rows: [
      ...counters(`
        ssl_context_update_by_sds: secrets of its filter chains that came
        downstream_context_secrets_not_ready: connections closed as a secret has not come`),
    ],
  },
  {
    title: 'Secrets (SDS)',
    prefix: 'sds.<secret>.',
    rows: [
      ...counters(`
        update_attempt: responses, and failures to get one
        update_success: responses taken
        update_rejected: responses refused (NACK)
        update_failure: lost streams
        init_fetch_timeout: first responses that did not come in time
        key_rotation_failed: files of a secret that changed and could not be used
        control_plane.rate_limit_enforced: registered as in Envoy, and never counted`),
      ...gauges(`
        update_time [ms]: when the last response was taken, since 1970
        version: hash of the version taken last
        control_plane.connected_state: 1 while the stream is up
        control_plane.pending_requests: requests that wait to be sent`),
      ...histograms(`update_duration [ms]: time to take a response`),
    ],
  },
];
