// [b] Stats of HTTP filters that have a good deal of them; part of the table in stat-names.ts.
import { counters, gauges } from './stat-rows.ts';
import type { StatGroup, StatRow } from './stat-rows.ts';

const COMPRESSOR_DIRECTION = ['', 'request.', 'response.'] as const;

const compressorRows = (direction: string): readonly StatRow[] =>
  counters(`
    ${direction}compressed: messages that were compressed
    ${direction}not_compressed: messages that were left as they are
    ${direction}total_uncompressed_bytes [bytes]: of messages that were compressed, before
    ${direction}total_compressed_bytes [bytes]: of messages that were compressed, after
    ${direction}content_length_too_small: messages left as they are for their length`);

const decompressorRows = (direction: string): readonly StatRow[] =>
  counters(`
    ${direction}decompressed: messages that were decompressed
    ${direction}not_decompressed: messages with a body that were left as they are
    ${direction}total_compressed_bytes [bytes]: of messages that were decompressed, before
    ${direction}total_uncompressed_bytes [bytes]: of messages that were decompressed, after`);

const AUTHORIZATIONS: readonly StatRow[] = counters(`
  ok: requests that were allowed
  denied: requests that were refused by the server
  error: requests of which nobody decided
  failure_mode_allowed: those of them that passed all the same
  invalid: requests refused because their answer wanted to change what it must not`);

export const FILTER_STAT_GROUPS: readonly StatGroup[] = [
  {
    title: 'Filter fault',
    prefix: 'http.<stat_prefix>.fault.',
    rows: [
      ...counters(`
        aborts_injected: requests answered with an injected fault
        delays_injected: requests delayed on purpose
        response_rl_injected: responses slowed down on purpose
        faults_overflow: faults left out because too many were under way
        <downstream_cluster>.aborts_injected: the first, by the cluster that callers say they are
        <downstream_cluster>.delays_injected: the second, by the same`),
      ...gauges(`active_faults: faults under way`),
    ],
  },
  {
    title: 'Filter cors',
    prefix: 'http.<stat_prefix>.cors.',
    rows: counters(`
      origin_valid: requests with an allowed Origin
      origin_invalid: requests with another Origin`),
  },
  {
    title: 'Filter ext_authz; `<filter>.` is its `stat_prefix`, where it has one',
    prefix: 'http.<stat_prefix>.ext_authz.<filter>.',
    rows: [
      ...AUTHORIZATIONS,
      ...counters(`
        disabled: requests for which it is not enabled
        ignored_dynamic_metadata: answers whose metadata is not taken`),
    ],
  },
  {
    title: 'Filter ext_authz, by the cluster that requests are for',
    prefix: 'cluster.<name>.ext_authz.<filter>.',
    rows: AUTHORIZATIONS,
  },
  {
    title:
      'Filter ratelimit, by the cluster that requests are for; `<filter>.` is its `stat_prefix`, where it has one',
    prefix: 'cluster.<name>.ratelimit.<filter>.',
    rows: counters(`
      ok: requests that the service allowed
      over_limit: requests over the limit
      error: requests about which the service said nothing
      failure_mode_allowed: those of them that were let pass`),
  },
  {
    title: 'Filter local_ratelimit; `<filter>` is its `stat_prefix`',
    prefix: '<filter>.http_local_rate_limit.',
    rows: counters(`
      enabled: requests that were looked at
      ok: requests within the limit
      rate_limited: requests over the limit
      enforced: those of them that were refused
      shadow_mode: those of them that only a descriptor in shadow mode counted`),
  },
  {
    title:
      'Filter compressor; responses count without a direction where `response_direction_config` is not set',
    prefix: 'http.<stat_prefix>.compressor.<library_name>.<library>.',
    rows: [
      ...COMPRESSOR_DIRECTION.flatMap(compressorRows),
      ...counters(`
        no_accept_header: responses for requests without accept-encoding
        header_identity: responses whose client wants them as they are
        header_compressor_used: responses whose client wants this encoding
        header_compressor_overshadowed: responses whose client wants the encoding of another filter
        header_wildcard: responses whose client takes any encoding
        header_not_valid: responses whose client takes none that there is
        not_compressed_etag: responses left as they are for their entity tag`),
    ],
  },
  {
    title: 'Filter decompressor',
    prefix: 'http.<stat_prefix>.decompressor.<library_name>.<library>.',
    rows: [
      ...['request.', 'response.'].flatMap(decompressorRows),
      ...counters(`
        decompressor_library.zlib_data_error: pieces of gzip bodies that were broken, or too much
        decompressor_library.brotli_error: the same of brotli
        decompressor_library.zstd_generic_error: the same of zstd`),
    ],
  },
  {
    title: 'Filter csrf',
    prefix: 'http.<stat_prefix>.csrf.',
    rows: counters(`
      missing_source_origin: requests that do not tell where they come from
      request_invalid: requests from elsewhere
      request_valid: requests from where they may come`),
  },
  {
    title: 'Filter health_check',
    prefix: 'http.<stat_prefix>.health_check.',
    rows: counters(`
      request_total: health checks that the filter answered
      ok: of these, with a 2xx
      failed: of these, with another code
      cached_response: answered as the last one was
      degraded: of these, as degraded
      failed_cluster_empty: failed because a cluster has no hosts
      failed_cluster_not_found: failed because a cluster does not exist
      failed_cluster_unhealthy: failed because a cluster has too few healthy hosts`),
  },
  {
    title: 'Filter header_to_metadata, where it has a `stat_prefix`',
    prefix: 'http_filter_name.<stat_prefix>.',
    rows: counters(`
      request_rules_processed: rules applied to requests
      request_metadata_added: values written for requests
      request_header_not_found: headers or cookies of requests that were missing, where a rule says what then
      response_rules_processed: rules applied to responses
      response_metadata_added: values written for responses
      response_header_not_found: headers of responses that were missing, where a rule says what then
      base64_decode_failed: values that are no Base64
      header_value_too_long: values of more than 8 KiB
      regex_substitution_failed: values of which a rewrite left nothing`),
  },
  {
    title: 'Filter set_metadata; the second of settings of routes',
    prefix: '',
    rows: counters(`
      http.<stat_prefix>.set_metadata.overwrite_denied: metadata not set because there was some already
      set_metadata.overwrite_denied: the same`),
  },
];
