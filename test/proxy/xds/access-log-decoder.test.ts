// Access loggers of connection managers: what is taken, and what is refused with the field's name.
import t from 'tap';
import { listenerProblem } from '../../../proxy/listener-manager/trial-compile.ts';
import { Runtime } from '../../../proxy/base/runtime.ts';
import { managerListener, managerOf, listener, problemsOf } from './decoding.ts';
import type { Json } from './decoding.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.';

const file = (logFormat: Json, more: Json = {}): Json => ({
  name: 'f',
  typed_config: {
    '@type': `${TYPE}access_loggers.file.v3.FileAccessLog`,
    path: '/dev/null',
    log_format: logFormat,
  },
  ...more,
});
const text = (inline_string: string, more: Json = {}): Json =>
  file({ text_format_source: { inline_string }, ...more });
const filtered = (filter: Json): Json =>
  file({ text_format_source: { inline_string: 'x' } }, { filter });
const grpc = (common: Json, more: Json = {}): Json => ({
  name: 'g',
  typed_config: {
    '@type': `${TYPE}access_loggers.grpc.v3.HttpGrpcAccessLogConfig`,
    common_config: {
      log_name: 'n',
      grpc_service: { envoy_grpc: { cluster_name: 'c' } },
      ...common,
    },
    ...more,
  },
});
const manager = (log: Json, more: Json = {}): Json =>
  managerListener({ access_log: [log], ...more });
const comparison = { comparison: { op: 'NE', value: { default_value: 200, runtime_key: 'k' } } };

t.test('access loggers', (t) => {
  const refused: readonly (readonly [what: string, log: Json, problem: RegExp, more?: Json])[] = [
    [
      'a command that is none',
      text('%NOPE%'),
      /access_log\[0\]\.log_format: Not supported field in StreamInfo: NOPE/,
    ],
    ['CEL', text('%CEL(request.path)%'), /CEL: CEL expressions are not supported/],
    [
      'the formatter of CEL',
      text('x', {
        formatters: [{ name: 'cel', typed_config: { '@type': `${TYPE}formatter.cel.v3.Cel` } }],
      }),
      /formatters\[0\]\.typed_config: CEL expressions are not supported/,
    ],
    ['a formatter that is missing', text('%REQ_WITHOUT_QUERY(:PATH)%'), /Not supported field/],
    [
      'an unknown flag',
      filtered({ response_flag_filter: { flags: ['XX'] } }),
      /'XX' is no response flag/,
    ],
    [
      'a comparison without a runtime key',
      filtered({ status_code_filter: { comparison: { value: {} } } }),
      /runtime_key: is required/,
    ],
    [
      'one filter of two',
      filtered({ and_filter: { filters: [{ not_health_check_filter: {} }] } }),
      /and_filter\.filters: at least two are required/,
    ],
    ['no filter', filtered({}), /filter: one filter is required/],
    [
      'a service of Google',
      grpc({ grpc_service: { google_grpc: { target_uri: 'x' } } }),
      /google_grpc: is not supported/,
    ],
    ['a service without a name', grpc({ log_name: '' }), /log_name: is required/],
    [
      'an interval of nothing',
      grpc({ buffer_flush_interval: '0s' }),
      /buffer_flush_interval: must be greater than 0s/,
    ],
    [
      'a tag of nothing',
      grpc({ custom_tags: [{ tag: 'x' }] }),
      /custom_tags\[0\]: one of literal, environment/,
    ],
    [
      'options in two places',
      text('x'),
      /flush_access_log_on_new_request: only one of/,
      { access_log_options: {}, flush_access_log_on_new_request: true },
    ],
    [
      'an interval below a millisecond',
      text('x'),
      /access_log_flush_interval: must be at least 1ms/,
      { access_log_options: { access_log_flush_interval: '0.0001s' } },
    ],
  ];
  for (const [what, log, problem, more] of refused) {
    t.test(`refuses ${what}`, (t) => {
      const json = manager(log, more);
      const decoded = problemsOf(() => listener(json));
      const problems =
        decoded.length > 0 ? decoded.join('\n') : listenerProblem(listener(json), Runtime.EMPTY);
      t.match(problems, problem);
      t.end();
    });
  }

  t.test('reads filters and options', (t) => {
    const json = manager(filtered({ status_code_filter: comparison }), {
      access_log_options: {
        access_log_flush_interval: '2s',
        flush_log_on_tunnel_successfully_established: true,
      },
    });
    const { accessLogs, accessLogOptions } = managerOf(listener(json));
    t.match(accessLogs[0]?.filter, { kind: 'status_code', op: 'NE', value: 200, runtimeKey: 'k' });
    t.same(accessLogOptions, { flushIntervalMs: 2000, flushOnStart: false, flushOnTunnel: true });
    t.end();
  });

  t.test('reads the service, with defaults', (t) => {
    const json = manager(grpc({}, { additional_request_headers_to_log: ['X-A'] }));
    t.match(managerOf(listener(json)).accessLogs[0]?.sink, {
      kind: 'grpc',
      entries: 'http',
      cluster: 'c',
      authority: 'c',
      flushIntervalMs: 1000,
      bufferBytes: 16_384,
      requestHeaders: ['x-a'],
    });
    t.end();
  });

  t.test('keeps a CEL filter that it does not evaluate', (t) => {
    const cel = {
      name: 'cel',
      typed_config: {
        '@type': `${TYPE}access_loggers.filters.cel.v3.ExpressionFilter`,
        expression: 'response.code >= 400',
      },
    };
    const json = manager(filtered({ extension_filter: cel }));
    t.match(managerOf(listener(json)).accessLogs[0]?.filter, { kind: 'inert' });
    t.end();
  });
  t.end();
});
