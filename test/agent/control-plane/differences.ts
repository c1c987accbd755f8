// [m] What may differ between our resources and istiod's recordings: forms that mean the same, and choices of our own.

export interface Normalisation {
  readonly what: string;
  readonly reason: string;
}

/** Applied to both sides before the comparison. */
export const normalisations: readonly Normalisation[] = [
  {
    what: 'canonical JSON of the decoded message',
    reason: 'both sides go through decode and toJson, so that defaults and field order are gone',
  },
  {
    what: 'resources are compared by name',
    reason: 'istiod sends EDS, LDS and RDS in the order of Go maps, which changes from run to run',
  },
  {
    what: 'lb_endpoints sorted by address',
    reason: 'the order of endpoints changes between recordings of one configuration',
  },
  { what: 'keys of filter_metadata and Structs sorted', reason: 'maps have no order on the wire' },
];

export interface Difference {
  /** `scenario/node`; `*` for all. */
  readonly recording: string;
  /** The path of the field, with `*` for one step; the steps of a list are numbers. */
  readonly path: string;
  readonly reason: string;
}

/** Everything else that differs fails the test. */
export const differences: readonly Difference[] = [
  {
    recording: '01-bookinfo/productpage-1.29',
    path: 'cluster/*/circuit_breakers/thresholds/0/track_remaining',
    reason: 'we send what istiod 1.26 sends; 1.29 no longer tracks remaining resources',
  },
  {
    recording: '01-bookinfo/productpage-1.29',
    path: 'route/9080/virtual_hosts/*/domains',
    reason: 'we send the domains of istiod 1.26; 1.29 adds each name with a trailing dot',
  },
  ...['distribute', 'failover'].map((name) => ({
    recording: '05-resilience/productpage',
    path: `cluster/outbound|9080||${name}.default.svc.cluster.local/common_lb_config/locality_weighted_lb_config`,
    reason: 'localityLbSetting is refused: the laptop mesh has one locality',
  })),
  {
    recording: '05-resilience/productpage',
    path: 'endpoint/outbound|9080||distribute.default.svc.cluster.local/endpoints/*/load_balancing_weight',
    reason: 'localityLbSetting is refused: localities weigh what their endpoints do',
  },
  {
    recording: '05-resilience/productpage',
    path: 'endpoint/outbound|9080||failover.default.svc.cluster.local/endpoints/*/priority',
    reason: 'localityLbSetting is refused: all localities have priority 0',
  },
];
