// [b] The part of the table of stats (stat-names.ts) for discovery: subscriptions and their streams.
import { counters, gauges, histograms } from './stat-rows.ts';
import type { StatGroup, StatRow } from './stat-rows.ts';

const SUBSCRIPTION_ROWS: readonly StatRow[] = [
  ...counters(`
    update_attempt: responses, and failures to get one
    update_success: responses taken
    update_rejected: responses refused (NACK)
    update_failure: lost streams
    init_fetch_timeout: first responses that did not come in time`),
  ...gauges(`
    update_time [ms]: when the last response was taken, since 1970
    version: hash of the version taken last`),
  ...histograms(`update_duration [ms]: time to take a response`),
];

export const DISCOVERY_STAT_GROUPS: readonly StatGroup[] = [
  {
    title:
      'Subscriptions (`cluster_manager.cds.`, `cluster_manager.odcds.`, `listener_manager.lds.`)',
    prefix: '<manager>.<type>.',
    rows: SUBSCRIPTION_ROWS,
  },
  {
    title:
      'Settings of filters that are discovered (ECDS); `<kind>` is `http_filter` or `network_filter`',
    prefix: 'extension_config_discovery.<kind>.<name>.',
    rows: [
      ...SUBSCRIPTION_ROWS,
      ...counters(`
        config_reload: settings that came and differed from those before, or were taken back
        config_fail: settings that were refused, or did not come in time
        config_conflict: registered as in Envoy, and never counted`),
    ],
  },
  {
    title: 'Scopes of routes that are discovered (SRDS)',
    prefix: 'http.<stat_prefix>.scoped_rds.<name>.',
    rows: [
      ...SUBSCRIPTION_ROWS,
      ...counters(`config_reload: updates of scopes`),
      ...gauges(`
        all_scopes: scopes there are
        active_scopes: the same: all are loaded
        on_demand_scopes: always 0: none waits for a request`),
    ],
  },
  {
    title: 'Runtime',
    prefix: 'runtime.',
    rows: [
      ...SUBSCRIPTION_ROWS,
      ...counters(`
        deprecated_feature_use: deprecated fields in resources
        load_success: values taken from the layers, at the start and whenever one changes
        load_error: registered as in Envoy, and never counted
        override_dir_exists: registered as in Envoy, and never counted
        override_dir_not_exists: the same as load_success, since layers on disk are not read`),
      ...gauges(`
        deprecated_feature_seen_since_process_start: deprecated fields in resources, since the start
        num_layers: layers of the bootstrap
        num_keys: values in force
        admin_overrides_active: 1 while the operator's layer has values`),
    ],
  },
  {
    title: 'Control plane',
    prefix: 'control_plane.',
    rows: [
      ...counters(`rate_limit_enforced: registered as in Envoy, and never counted`),
      ...gauges(`
        connected_state: 1 while the stream is up
        pending_requests: requests that wait to be sent`),
    ],
  },
];
