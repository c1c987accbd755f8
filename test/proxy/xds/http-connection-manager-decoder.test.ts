// Newer parts of the connection manager: what they become, and mistakes with their paths.
import t from 'tap';
import { MANAGER_PATH, listener, managerListener, managerOf, problemsOf } from './decoding.ts';
import type { Json } from './decoding.ts';

const EXTENSION = 'type.googleapis.com/envoy.extensions.http.';
const decoded = (fields: Json) => managerOf(listener(managerListener(fields)));
const extension = (type: string, config: Json = {}): Json => ({
  name: 'x',
  typed_config: { '@type': EXTENSION + type, ...config },
});
const xff = (config: Json): Json => extension('original_ip_detection.xff.v3.XffConfig', config);
const custom = (config: Json): Json =>
  extension('original_ip_detection.custom_header.v3.CustomHeaderConfig', config);
const early = (config: Json): Json =>
  extension('early_header_mutation.header_mutation.v3.HeaderMutation', config);
const status = { comparison: { op: 'EQ', value: { default_value: 404, runtime_key: 'k' } } };

t.test('the connection manager', (t) => {
  const mistakes: readonly (readonly [what: string, fields: Json, problems: readonly string[]])[] =
    [
      [
        'IP detection beside use_remote_address',
        { use_remote_address: true, original_ip_detection_extensions: [xff({})] },
        [': Original IP detection extensions and use_remote_address may not be mixed'],
      ],
      [
        'IP detection beside trusted hops',
        { xff_num_trusted_hops: 1, original_ip_detection_extensions: [xff({})] },
        [': Original IP detection extensions and xff_num_trusted_hops may not be mixed'],
      ],
      [
        'a custom header without a name',
        { original_ip_detection_extensions: [custom({})] },
        ['.original_ip_detection_extensions[0].typed_config.header_name: is required'],
      ],
      [
        'an unknown detection',
        {
          original_ip_detection_extensions: [
            extension('header_formatters.preserve_case.v3.PreserveCaseFormatterConfig'),
          ],
        },
        [
          ".original_ip_detection_extensions[0].typed_config: Didn't find a registered implementation for 'x' with type URL: 'envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig'",
        ],
      ],
      [
        'an early mutation of nothing',
        { early_header_mutation_extensions: [early({})] },
        ['.early_header_mutation_extensions[0].typed_config.mutations: at least one is required'],
      ],
      [
        'a mapper without a filter',
        { local_reply_config: { mappers: [{ status_code: 200 }] } },
        ['.local_reply_config.mappers[0].filter: is required'],
      ],
      [
        'a mapper with a status that is none',
        {
          local_reply_config: {
            mappers: [{ filter: { status_code_filter: status }, status_code: 199 }],
          },
        },
        ['.local_reply_config.mappers[0].status_code: must be between 200 and 599, is 199'],
      ],
      [
        'more jitter than there is time',
        { drain_timeout_jitter: { value: 101 } },
        ['.drain_timeout_jitter.value: must be between 0 and 100, is 101'],
      ],
      [
        'a proxy name that breaks a header',
        { proxy_status_config: { literal_proxy_name: 'a\r\nb' } },
        ['.proxy_status_config.literal_proxy_name: must not hold NUL, CR or LF'],
      ],
      [
        'what is not built and would be missed',
        { forward_proto_config: {}, forward_client_cert_matcher: {} },
        [
          '.forward_client_cert_matcher: is not supported by this version',
          '.forward_proto_config: is not supported by this version',
        ],
      ],
    ];
  for (const [what, fields, problems] of mistakes) {
    t.test(`refuses ${what}`, (t) => {
      t.strictSame(
        problemsOf(() => listener(managerListener(fields))),
        problems.map((problem) => MANAGER_PATH + problem),
      );
      t.end();
    });
  }

  t.test('reads where the client is looked for', (t) => {
    const { originalIpDetection } = decoded({
      original_ip_detection_extensions: [
        xff({ xff_trusted_cidrs: { cidrs: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] } }),
        custom({ header_name: 'X-IP', reject_with_status: { code: 'OK' } }),
      ],
    });
    t.match(originalIpDetection, [
      {
        kind: 'xff',
        trustedHops: 0,
        trustedCidrs: [{ address: '10.0.0.0', prefixLength: 8 }],
        skipAppend: true,
      },
      { kind: 'custom_header', header: 'x-ip', trusted: false, rejectStatus: 403 },
    ]);
    t.end();
  });

  t.test('reads how replies are changed', (t) => {
    const { localReply } = decoded({
      local_reply_config: {
        mappers: [
          {
            filter: { status_code_filter: status },
            status_code: 418,
            body: { inline_string: 'b' },
            headers_to_add: [{ header: { key: 'X-A', value: 'b' } }],
            body_format_override: { json_format: { a: 1 } },
          },
        ],
        body_format: { text_format_source: { inline_string: 'x' }, content_type: 'text/html' },
      },
    });
    t.match(localReply, {
      mappers: [
        {
          filter: { kind: 'status_code', op: 'EQ', value: 404 },
          status: 418,
          headersToAdd: [{ name: 'x-a', value: 'b' }],
          bodyFormat: { kind: 'json' },
        },
      ],
      bodyFormat: { kind: 'text', text: 'x', contentType: 'text/html' },
    });
    t.equal(Buffer.from(localReply!.mappers[0]!.body!).toString(), 'b');
    t.end();
  });

  t.test('reads what is traced', (t) => {
    const { tracing, packTraceReason, sampleByRequestId } = decoded({
      tracing: { random_sampling: { value: 0.55 }, client_sampling: { value: 12.9 } },
    });
    t.strictSame(tracing, {
      client: { numerator: 12, denominator: 100 },
      random: { numerator: 55, denominator: 10_000 },
      overall: { numerator: 10_000, denominator: 10_000 },
    });
    t.ok(packTraceReason);
    t.ok(sampleByRequestId);
    t.end();
  });

  t.test('tells what is accepted and not done', (t) => {
    const { inert } = decoded({
      tracing: {},
      record_route_resolution_stats: true,
      stream_flush_timeout: '3s',
    });
    t.strictSame(inert, ['tracing spans', 'stream_flush_timeout', 'record_route_resolution_stats']);
    t.end();
  });
  t.end();
});
