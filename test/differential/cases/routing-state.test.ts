// Routes chosen anew by what filters wrote: dynamic metadata and filter state (envoy-behaviour §3.2).
import { differential } from '../differential.ts';
import { get, inTurn } from '../requests.ts';
import type { Json, Row } from '../row.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.filters';

/** Writes metadata of every kind, then filter state out of headers, and has the route chosen again. */
const FILTERS: readonly Json[] = [
  {
    name: 'envoy.filters.http.set_metadata',
    typed_config: {
      '@type': `${TYPE}.http.set_metadata.v3.Config`,
      metadata: [
        {
          metadata_namespace: 'f',
          value: {
            text: 'str',
            number: 5,
            half: 0.5,
            yes: true,
            no: false,
            nothing: null,
            list: ['a', 'b', 7],
            deep: { er: { est: 'x' } },
            empty: '',
          },
        },
      ],
    },
  },
  {
    name: 'envoy.filters.http.set_filter_state',
    typed_config: {
      '@type': `${TYPE}.http.set_filter_state.v3.Config`,
      clear_route_cache: true,
      on_request_headers: [
        {
          object_key: 'text',
          factory_key: 'envoy.string',
          format_string: { text_format_source: { inline_string: '%REQ(x-text)%' } },
          skip_if_empty: true,
        },
        {
          object_key: 'envoy.string',
          format_string: { text_format_source: { inline_string: 'fixed' } },
        },
      ],
    },
  },
];

const answer = (text: string): Json => ({ status: 200, body: { inline_string: text } });

const row = (name: string, match: Json, ...requests: readonly string[]): Row => ({
  name,
  config: {
    httpFilters: FILTERS,
    routes: [
      { match: { prefix: '/', ...match }, direct_response: answer('yes') },
      { match: { prefix: '/' }, direct_response: answer('no') },
    ],
  },
  client: inTurn(...requests),
});

const metadata = (name: string, path: readonly string[], value: Json, more: Json = {}): Row =>
  row(
    `metadata: ${name}`,
    {
      dynamic_metadata: [{ filter: 'f', path: path.map((key) => ({ key })), value, ...more }],
    },
    get('/'),
  );

const TEXTS = ['v', 'other', ''].map((text) => get('/', `x-text: ${text}`));
const state = (name: string, matcher: Json, ...requests: readonly string[]): Row =>
  row(`state: ${name}`, { filter_state: [matcher] }, ...(requests.length > 0 ? requests : TEXTS));

const string = (match: Json): Json => ({ string_match: match });

export const suite = await differential(import.meta.url, {}, [
  metadata('a string', ['text'], string({ exact: 'str' })),
  metadata('another string', ['text'], string({ exact: 'STR' })),
  metadata('a string ignoring case', ['text'], string({ exact: 'STR', ignore_case: true })),
  metadata('a string by regex', ['text'], string({ safe_regex: { regex: 's.r' } })),
  metadata('a string, inverted', ['text'], string({ exact: 'str' }), { invert: true }),
  metadata('an empty string', ['empty'], string({ exact: '' })),
  metadata('a number', ['number'], { double_match: { exact: 5 } }),
  metadata('a number within a range', ['number'], {
    double_match: { range: { start: 5, end: 6 } },
  }),
  metadata('a number at the end of a range', ['number'], {
    double_match: { range: { start: 4, end: 5 } },
  }),
  metadata('a fraction', ['half'], { double_match: { exact: 0.5 } }),
  metadata('a number is no string', ['number'], string({ exact: '5' })),
  metadata('true', ['yes'], { bool_match: true }),
  metadata('false', ['no'], { bool_match: false }),
  metadata('false is not true', ['no'], { bool_match: true }),
  metadata('null', ['nothing'], { null_match: {} }),
  metadata('null is there', ['nothing'], { present_match: true }),
  metadata('what is missing is not null', ['gone'], { null_match: {} }),
  metadata('something is there', ['text'], { present_match: true }),
  metadata('present_match false matches nothing that is there', ['text'], { present_match: false }),
  metadata('present_match false matches nothing that is missing', ['gone'], {
    present_match: false,
  }),
  metadata('what is missing, inverted', ['gone'], string({ exact: 'x' }), { invert: true }),
  metadata('an element of a list', ['list'], { list_match: { one_of: string({ exact: 'b' }) } }),
  metadata('a number of a list', ['list'], {
    list_match: { one_of: { double_match: { exact: 7 } } },
  }),
  metadata('no element of a list', ['list'], { list_match: { one_of: string({ exact: 'c' }) } }),
  metadata('a string is no list', ['text'], { list_match: { one_of: string({ exact: 'str' }) } }),
  metadata('a deep path', ['deep', 'er', 'est'], string({ exact: 'x' })),
  metadata('a struct is there', ['deep', 'er'], { present_match: true }),
  metadata('a path through what is no struct', ['text', 'er'], { present_match: true }),
  metadata('one of several', ['text'], {
    or_match: { value_matchers: [{ bool_match: true }, string({ exact: 'str' })] },
  }),
  row(
    'metadata: another namespace',
    {
      dynamic_metadata: [{ filter: 'g', path: [{ key: 'text' }], value: { present_match: true } }],
    },
    get('/'),
  ),
  row(
    'metadata: all have to match',
    {
      dynamic_metadata: ['str', 'other'].map((exact) => ({
        filter: 'f',
        path: [{ key: 'text' }],
        value: string({ exact }),
      })),
    },
    get('/'),
  ),
  state('equals', { key: 'text', string_match: { exact: 'v' } }),
  state('begins with nothing in particular', {
    key: 'text',
    string_match: { safe_regex: { regex: '.*' } },
  }),
  state('a fixed text', { key: 'envoy.string', string_match: { exact: 'fixed' } }, get('/')),
  state('a key that nobody wrote', { key: 'gone', string_match: { exact: '' } }, get('/')),
  state(
    'an address that is only a text',
    { key: 'text', address_match: { ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] } },
    get('/', 'x-text: 10.1.2.3'),
  ),
  state(
    'an address that is only a text, inverted',
    {
      key: 'text',
      address_match: {
        ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }],
        invert_match: true,
      },
    },
    get('/', 'x-text: 11.1.2.3'),
  ),
]);
