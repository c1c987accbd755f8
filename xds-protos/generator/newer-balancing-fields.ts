// Load balancing policies and their fields that Envoy 1.40 has and the .proto files do not yet (development only): rows of
// newer-fields.ts.
import type { NewerField } from './newer-fields.ts';

const POLICIES = 'envoy.extensions.load_balancing_policies';
const COMMON = `${POLICIES}.common.v3`;
const ZONE_AWARE = `${COMMON}.LocalityLbConfig.ZoneAwareLbConfig`;
const WEIGHTED = `${POLICIES}.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin`;

const HTTP_TYPE = 'envoy.type.http.v3';

type Row = Omit<NewerField, 'message'>;
const row = (number: number, name: string, type: string): Row => ({ name, number, type });
const rows = (number: number, name: string, type: string): Row => ({
  ...row(number, name, type),
  repeated: true,
});
const of = (message: string, ...fields: readonly Row[]): readonly NewerField[] =>
  fields.map((field) => ({ message, ...field }));

export const newerBalancingFields: readonly NewerField[] = [
  ...of(
    ZONE_AWARE,
    row(4, 'force_locality_direct_routing', 'bool'),
    row(5, 'force_local_zone', `${ZONE_AWARE}.ForceLocalZone`),
    row(6, 'locality_basis', `${ZONE_AWARE}.LocalityBasis`),
  ),
  ...of(
    `${COMMON}.ConsistentHashingLbConfig`,
    rows(3, 'hash_policy', 'envoy.config.route.v3.RouteAction.HashPolicy'),
  ),
  ...of(
    'envoy.extensions.filters.http.stateful_session.v3.StatefulSession',
    row(3, 'stat_prefix', 'string'),
    row(4, 'status_on_strict_destination_not_found', 'uint32'),
  ),
  ...of(`${HTTP_TYPE}.Cookie`, rows(4, 'attributes', `${HTTP_TYPE}.CookieAttribute`)),
  ...of(
    WEIGHTED,
    rows(7, 'metric_names_for_computing_utilization', 'string'),
    row(8, 'slow_start_config', `${COMMON}.SlowStartConfig`),
    row(9, 'oob_reporting_config', `${COMMON}.OrcaOobReportingConfig`),
  ),
];

export const newerBalancingMessages: Readonly<Record<string, readonly Row[]>> = {
  [`${ZONE_AWARE}.ForceLocalZone`]: [row(1, 'min_size', 'google.protobuf.UInt32Value')],
  [`${HTTP_TYPE}.CookieAttribute`]: [row(1, 'name', 'string'), row(2, 'value', 'string')],
  [`${COMMON}.OrcaOobReportingConfig`]: [
    row(1, 'port_value', 'uint32'),
    row(2, 'authority', 'string'),
    row(3, 'transport_socket_match_criteria', 'google.protobuf.Struct'),
  ],
};

export const newerBalancingEnums: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  [`${ZONE_AWARE}.LocalityBasis`]: { HEALTHY_HOSTS_NUM: 0, HEALTHY_HOSTS_WEIGHT: 1 },
};
