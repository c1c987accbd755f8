// JSON formats, missing values, escaping, metadata and filter state (envoy-behaviour §11.1).
import { filterOf } from '../../support/proxy-process.ts';
import { differential } from '../differential.ts';
import type { CaseConfig, Json } from '../row.ts';

const get = (target = '/', ...lines: readonly string[]): string =>
  `GET ${target} HTTP/1.1\r\nHost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;

/** A log with that SubstitutionFormatString. */
const logged = (logFormat: Json): CaseConfig => ({
  hcm: {
    access_log: [
      {
        name: 'envoy.access_loggers.file',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
          path: 'LOG',
          ...logFormat,
        },
      },
    ],
  },
});
const json = (format: Json, more: Json = {}): CaseConfig =>
  logged({ log_format: { json_format: format, ...more } });
const text = (format: string, more: Json = {}): CaseConfig =>
  logged({ log_format: { text_format_source: { inline_string: `${format}\n` }, ...more } });

/** Fields of a message that has what logs print of hosts, clusters and routes. */
const STRUCT = {
  string: 'he said "x"\n\tü',
  empty: '',
  number: 1.5,
  whole: 3,
  negative: -7,
  big: 123456789012345680000,
  huge: 1e21,
  tiny: 1e-9,
  small: 0.0001,
  bool: true,
  nothing: null,
  list: ['a', 1, { z: 1, a: [] }],
  object: { z: true, a: { b: 'deep' } },
  emptyList: [],
  emptyObject: {},
};
const of = (namespace: string): Json => ({
  metadata: { filter_metadata: { [namespace]: STRUCT } },
});
const METADATA: CaseConfig = {
  listener: of('listener'),
  virtualHost: of('host'),
  routeMore: { name: 'named', ...of('route') },
  clusters: { up: of('cluster') },
};
const KEYS = Object.keys(STRUCT);
const each = (commands: readonly string[]): string =>
  commands.map((command, index) => `${index}[%${command}%]`).join(' ');
const asJson = (commands: readonly string[]): Json =>
  Object.fromEntries(commands.map((command, index) => [`k${index}`, `%${command}%`]));
const ROUTE = [...KEYS.map((key) => `METADATA(ROUTE:route:${key})`), 'METADATA(ROUTE:route)'];
const PLACES = [
  'METADATA(ROUTE:route:object:a:b)',
  'METADATA(ROUTE:route:object:none)',
  'METADATA(ROUTE:route:string:none)',
  'METADATA(ROUTE:none)',
  'METADATA(ROUTE)',
  'METADATA(CLUSTER:cluster:whole)',
  'CLUSTER_METADATA(cluster:object)',
  'CLUSTER_METADATA(cluster:none)',
  'METADATA(VIRTUAL_HOST:host:whole)',
  'METADATA(LISTENER:listener:whole)',
  'METADATA(UPSTREAM_HOST:none:whole)',
  'METADATA(DYNAMIC:none:whole)',
  'DYNAMIC_METADATA(none)',
  'UPSTREAM_METADATA(none:whole)',
  'METADATA(LISTENER_FILTER_CHAIN:x:y)',
  'METADATA(ROUTE:route:string):6',
  'METADATA(ROUTE:route:list):6',
  'METADATA(ROUTE:route:number):1',
];
const SETS_METADATA: CaseConfig = {
  httpFilters: [
    filterOf('envoy.filters.http.set_metadata', 'filters.http.set_metadata.v3.Config', {
      metadata: [
        { metadata_namespace: 'mine', value: { a: 'text', b: 1.25, c: [1, 'x'], d: { e: null } } },
      ],
    }),
  ],
};
const SETS_STATE: CaseConfig = {
  httpFilters: [
    filterOf('envoy.filters.http.set_filter_state', 'filters.http.set_filter_state.v3.Config', {
      on_request_headers: [
        {
          object_key: 'mine',
          factory_key: 'envoy.string',
          format_string: { text_format_source: { inline_string: 'a "state" %REQ(x)%' } },
        },
      ],
    }),
  ],
};
const over = (base: CaseConfig, log: CaseConfig): CaseConfig => ({
  ...base,
  ...log,
  hcm: { ...base.hcm, ...log.hcm },
});
const ODD = '\u00c3\u00a9 "q" \\ / <tag> \t\u00e2\u0080\u00a8 end';

export const suite = await differential(import.meta.url, {}, [
  {
    name: 'JSON keeps types, sorts keys, prints null for what is missing',
    client: get(),
    config: json({
      z: '%RESPONSE_CODE%',
      a: '%PROTOCOL%',
      flags: '%RESPONSE_FLAGS%',
      missing: '%REQ(none)%',
      mixed: 'code %RESPONSE_CODE% none %REQ(none)%',
      constant: 'text',
      percent: '100%%',
      empty: '',
      nested: { b: '%REQ(none)%', a: { deep: '%BYTES_SENT%' } },
      list: ['%RESPONSE_CODE%', '%REQ(none)%', 'x', { y: '%REQ(none)%' }, []],
      'key "quoted"': 1,
      ü: 'ü',
    }),
  },
  {
    name: 'JSON without empty values',
    client: get(),
    config: json(
      {
        missing: '%REQ(none)%',
        mixed: 'none %REQ(none)%',
        nested: { b: '%REQ(none)%', a: { deep: '%REQ(none)%' } },
        list: ['%REQ(none)%', 'x', { y: '%REQ(none)%' }],
        flags: '%RESPONSE_FLAGS%',
        variable: '%ENVIRONMENT(NOT_SET_ANYWHERE)%',
        custom: '%CUSTOM_FLAGS%',
        nothing: null,
      },
      { omit_empty_values: true },
    ),
  },
  {
    name: 'JSON of nothing but empty values',
    client: get(),
    config: json({ a: '%REQ(none)%', b: { c: '%REQ(none)%' } }, { omit_empty_values: true }),
  },
  {
    name: 'JSON with sorted properties',
    client: get(),
    config: json(
      { b: '%PROTOCOL%', a: { d: 1, c: 2 } },
      { json_format_options: { sort_properties: true } },
    ),
  },
  {
    name: 'JSON literals of every type',
    client: get(),
    config: json({
      whole: 1,
      fraction: 1.5,
      negative: -2.25,
      big: 123456789012345680000,
      huge: 1e21,
      tiny: 1e-9,
      yes: true,
      no: false,
      nothing: null,
      list: [1, [2, [3]], {}],
    }),
  },
  {
    name: 'JSON escapes',
    client: get('/?q=%0A%22%5c', `x: ${ODD}`),
    config: json({
      alone: '%REQ(x)%',
      mixed: 'a %REQ(x)% b',
      decoded: '%QUERY_PARAM(q)%',
      'decoded too': '[%QUERY_PARAM(q)%]',
      literal: 'tab \t line \n quote " back \\ slash / del \u007f ctl \u0001 \u2028 ü',
    }),
  },
  {
    name: 'JSON of bytes that are no UTF-8',
    client: get('/', 'x: \u00ff"\\\t<\u00e9'),
    config: json({ alone: '%REQ(x)%', mixed: 'a %REQ(x)% ü', cut: '%REQ(x):2%' }),
  },
  {
    name: 'JSON cut within a character',
    client: get('/', 'x: \u00c3\u00a9\u00c3\u00a9'),
    config: json({ one: '%REQ(x):1%', two: '%REQ(x):2%', three: '%REQ(x):3%' }),
  },
  {
    name: 'the old field json_format',
    client: get(),
    config: logged({ json_format: { b: '%RESPONSE_CODE%', a: '%REQ(none)%' } }),
  },
  {
    name: 'the old field typed_json_format',
    client: get(),
    config: logged({ typed_json_format: { b: '%RESPONSE_CODE%', a: '%REQ(none)%' } }),
  },
  {
    name: 'the old field format',
    client: get(),
    config: logged({ format: '%RESPONSE_CODE% %REQ(none)%\n' }),
  },
  {
    name: 'text_format adds no newline, two requests share a line',
    client: [get('/1'), { responses: 1 }, get('/2'), { responses: 2 }],
    config: logged({ log_format: { text_format: '[%REQ(:PATH)%]' } }),
  },
  {
    name: 'the default format',
    client: get('/x', 'user-agent: agent', 'x-request-id: mine'),
    config: logged({}),
    mask: [
      [/^\[[^\]]+\]/, '[TIME]'],
      [/ \d+ (\d+|-) "/, ' N N "'],
    ],
  },
  {
    name: 'an empty format is the default format',
    client: get('/x', 'user-agent: agent'),
    config: logged({ format: '' }),
    mask: [
      [/^\[[^\]]+\]/, '[TIME]'],
      [/ \d+ (\d+|-) "/, ' N N "'],
    ],
  },
  {
    name: 'text without empty values',
    client: get(),
    config: text(
      '[%REQ(none)%] [%RESPONSE_FLAGS%] [%UPSTREAM_TRANSPORT_FAILURE_REASON%] [%ENVIRONMENT(NOT_SET_ANYWHERE)%] [%METADATA(ROUTE:x)%]',
      { omit_empty_values: true },
    ),
  },
  {
    name: 'the query is cut by its extension',
    client: get('/path?q=1', 'x-envoy-original-path: /orig?o=1'),
    config: text('%REQ_WITHOUT_QUERY(X-ENVOY-ORIGINAL-PATH?:PATH):6% %REQ_WITHOUT_QUERY(:PATH)%', {
      formatters: [
        {
          name: 'envoy.formatter.req_without_query',
          typed_config: {
            '@type':
              'type.googleapis.com/envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery',
          },
        },
      ],
    }),
  },
  {
    name: 'the extension of metadata',
    client: get(),
    config: over(
      METADATA,
      text('%METADATA(ROUTE:route:whole)%', {
        formatters: [
          {
            name: 'envoy.formatter.metadata',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.formatter.metadata.v3.Metadata',
            },
          },
        ],
      }),
    ),
  },
  {
    name: 'metadata of a route in JSON',
    client: get(),
    config: over(METADATA, json(asJson(ROUTE))),
  },
  {
    name: 'metadata of a route in JSON, without empty values',
    client: get(),
    config: over(METADATA, json(asJson(ROUTE), { omit_empty_values: true })),
  },
  {
    name: 'metadata of a route in text',
    client: get(),
    config: over(
      METADATA,
      text(each(ROUTE.filter((command) => !/:string\)|ROUTE:route\)/.test(command)))),
    ),
  },
  {
    name: 'metadata of a route with a newline in text',
    client: get(),
    config: over(METADATA, text('[%METADATA(ROUTE:route:string)%]')),
    differs: {
      where: ['log'],
      envoy: 'prints the newline of the value into the log',
      ours: 'prints it as \\n',
      reason: 'a value can not make a second line (attack checklist)',
    },
  },
  {
    name: 'metadata of all places in text',
    client: get(),
    config: over(METADATA, text(each(PLACES))),
  },
  {
    name: 'metadata of all places in JSON',
    client: get(),
    config: over(METADATA, json(asJson(PLACES))),
  },
  {
    name: 'a decoded query with a newline in text',
    client: get('/?q=a%0Ab'),
    config: text('[%QUERY_PARAM(q)%]'),
    differs: {
      where: ['log'],
      envoy: 'prints the newline of the value into the log',
      ours: 'prints it as \\n',
      reason: 'a client can not forge log lines (attack checklist)',
    },
  },
  {
    name: 'dynamic metadata in text',
    client: get(),
    config: over(
      SETS_METADATA,
      text(
        each([
          'DYNAMIC_METADATA(mine)',
          'DYNAMIC_METADATA(mine:a)',
          'DYNAMIC_METADATA(mine:a):2',
          'DYNAMIC_METADATA(mine:b)',
          'DYNAMIC_METADATA(mine:c)',
          'DYNAMIC_METADATA(mine:d:e)',
          'METADATA(DYNAMIC:mine:d)',
        ]),
      ),
    ),
  },
  {
    name: 'dynamic metadata in JSON',
    client: get(),
    config: over(
      SETS_METADATA,
      json(
        asJson([
          'DYNAMIC_METADATA(mine)',
          'DYNAMIC_METADATA(mine:a)',
          'DYNAMIC_METADATA(mine:b)',
          'DYNAMIC_METADATA(mine:d:e)',
        ]),
      ),
    ),
  },
  {
    name: 'filter state in text',
    client: get('/', 'x: 1'),
    config: over(
      SETS_STATE,
      text(
        each([
          'FILTER_STATE(mine:PLAIN)',
          'FILTER_STATE(mine:PLAIN):3',
          'FILTER_STATE(mine:TYPED)',
          'FILTER_STATE(mine)',
          'FILTER_STATE(mine:FIELD:x)',
          'FILTER_STATE(none)',
          'FILTER_STATE(none:PLAIN)',
          'UPSTREAM_FILTER_STATE(mine:PLAIN)',
        ]),
      ),
    ),
  },
  {
    name: 'filter state in JSON',
    client: get('/', 'x: 1'),
    config: over(
      SETS_STATE,
      json(
        asJson([
          'FILTER_STATE(mine:PLAIN)',
          'FILTER_STATE(mine:TYPED)',
          'FILTER_STATE(mine)',
          'FILTER_STATE(mine:FIELD:x)',
          'FILTER_STATE(none)',
        ]),
      ),
    ),
  },
]);
