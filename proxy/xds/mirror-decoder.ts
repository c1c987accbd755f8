// [m] Decodes `request_mirror_policies` of a route, a virtual host or a table (envoy-behaviour §3.7).
import type {
  RouteAction,
  RouteAction_RequestMirrorPolicy,
} from '../../xds-protos/gen/envoy.config.route.v3.ts';
import type { RequestMirrorConfig } from '../config/route-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeHeaderOperation } from './header-mutation-filter-decoder.ts';
import { breaksHeader, decodeRuntimeFraction } from './matcher-decoder.ts';

interface MirrorFields {
  readonly request_mirror_policies?: RouteAction['request_mirror_policies'];
}

export const decodeMirrors = (source: FieldReader<object>): readonly RequestMirrorConfig[] =>
  (source as FieldReader<MirrorFields>).children('request_mirror_policies').map(decodeMirror);

function decodeMirror(reader: FieldReader<RouteAction_RequestMirrorPolicy>): RequestMirrorConfig {
  const cluster = reader.string('cluster');
  const clusterHeader = reader.nonEmpty('cluster_header')?.toLowerCase();
  if ((cluster === '') === (clusterHeader === undefined)) {
    reader.problem(
      '',
      'Exactly one of cluster or cluster_header in request mirror policy need to be specified',
    );
  }
  for (const field of ['cluster_header', 'host_rewrite_literal'] as const) {
    if (breaksHeader(reader.string(field))) reader.problem(field, 'must not hold NUL, CR or LF');
  }
  return {
    cluster,
    clusterHeader,
    fraction: decodeRuntimeFraction(reader.child('runtime_fraction')),
    disableShadowHostSuffixAppend: reader.bool('disable_shadow_host_suffix_append'),
    headerOperations: reader.children('request_headers_mutations').map(decodeHeaderOperation),
    hostRewriteLiteral: reader.nonEmpty('host_rewrite_literal'),
  };
}
