// The csrf filter: where a request that changes something may come from.
import { filterOf } from '../../support/proxy-process.ts';
import { differential } from '../differential.ts';
import type { Json, Row } from '../row.ts';

const NAME = 'envoy.filters.http.csrf';
const TYPE = 'filters.http.csrf.v3.CsrfPolicy';
const always: Json = { default_value: { numerator: 100 } };
const never: Json = { default_value: { numerator: 0 } };
const csrf = (config: Json = { filter_enabled: always }): Json => filterOf(NAME, TYPE, config);
const perRoute = (config: Json): Json => ({
  typed_per_filter_config: {
    [NAME]: { '@type': `type.googleapis.com/envoy.extensions.${TYPE}`, ...config },
  },
});
const request = (lines: readonly string[], method = 'POST', host = 'example.com'): string =>
  `${method} / HTTP/1.1\r\nhost: ${host}\r\n${lines.map((line) => `${line}\r\n`).join('')}content-length: 0\r\n\r\n`;
const evil = ['origin: http://evil.com'];

const origins: readonly (readonly [name: string, lines: readonly string[], host?: string])[] = [
  ['no origin', []],
  ['the same host', ['origin: http://example.com']],
  ['another scheme', ['origin: https://example.com']],
  ['any scheme', ['origin: a+b.c://example.com']],
  ['another host', evil],
  ['another case', ['origin: http://EXAMPLE.com']],
  ['the default port', ['origin: http://example.com:80']],
  ['the same port', ['origin: http://example.com:8080'], 'example.com:8080'],
  ['an IPv6 address', ['origin: http://[::1]:80'], '[::1]:80'],
  ['no URL', ['origin: example.com']],
  ['no URL, and not the host', ['origin: foo']],
  ['null', ['origin: null']],
  ['null and a referer', ['origin: null', 'referer: http://example.com/x']],
  ['empty and a referer', ['origin:', 'referer: http://example.com/x']],
  ['a referer', ['referer: http://example.com/a?b']],
  ['a referer with a query only', ['referer: http://example.com?b']],
  ['another referer', ['referer: http://evil.com/example.com']],
  ['origin before referer', ['origin: http://evil.com', 'referer: http://example.com/']],
  ['user information', ['origin: http://a@example.com']],
  ['a fragment', ['origin: http://example.com#x']],
  ['an empty port', ['origin: http://example.com:']],
  ['a port that is none', ['origin: http://example.com:abc']],
  ['two origins', ['origin: http://example.com', 'origin: http://evil.com']],
  ['a path without scheme', ['origin: //example.com']],
];

export const suite = await differential(
  import.meta.url,
  { config: { httpFilters: [csrf()] }, stats: ['http.CASE.csrf.*'] },
  [
    ...origins.map(([name, lines, host]): Row => ({
      name: `from ${name}`,
      client: request(lines, 'POST', host),
    })),
    ...['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'].map((method): Row => ({
      name: `${method} from another host`,
      client: request(evil, method),
    })),
    {
      name: 'a gRPC request from another host',
      client: request([...evil, 'content-type: application/grpc']),
    },
    ...['ok.com', 'x.partner.com:444', 'ok.com:90'].map((host): Row => ({
      name: `origins that are named: ${host}`,
      config: {
        httpFilters: [
          csrf({
            filter_enabled: always,
            additional_origins: [
              { exact: 'ok.com' },
              { safe_regex: { regex: '.*\\.partner\\.com:444' } },
            ],
          }),
        ],
      },
      client: request([`origin: http://${host}`]),
    })),
    {
      name: 'off',
      config: { httpFilters: [csrf({ filter_enabled: never })] },
      client: request(evil),
    },
    {
      name: 'counted only',
      config: { httpFilters: [csrf({ filter_enabled: never, shadow_enabled: always })] },
      client: request(evil),
    },
    {
      name: 'counted and enforced',
      config: { httpFilters: [csrf({ filter_enabled: always, shadow_enabled: always })] },
      client: request(evil),
    },
    {
      name: 'a route switches it on',
      config: {
        httpFilters: [csrf({ filter_enabled: never })],
        routeMore: perRoute({ filter_enabled: always }),
      },
      client: request(evil),
    },
    {
      name: 'a route names more origins',
      config: {
        routeMore: perRoute({
          filter_enabled: always,
          additional_origins: [{ exact: 'evil.com' }],
        }),
      },
      client: request(evil),
    },
    {
      name: 'a body is not waited for',
      client: ['POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nab', { responses: 1 }],
      expect: { status: 403 },
    },
  ],
);
