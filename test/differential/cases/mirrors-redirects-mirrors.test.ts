// Copies of requests for other clusters (envoy-behaviour §3.7).
import { differential } from '../differential.ts';
import type { Json, Row } from '../row.ts';
import {
  INSIDE_CLIENTS,
  OK,
  QUICK,
  STATS,
  answer,
  get,
  whateverIsLeft,
} from './timeouts-retries.ts';

const mirrored = (more: Json = {}): Omit<Row, 'name'> => ({
  config: { route: { request_mirror_policies: [{ cluster: 'CASE-other', ...more }] } },
  client: [get(), { responses: 1 }, { upstreamGets: '\r\n\r\n', at: 'other' }],
  upstreams: { other: OK },
});

const post = 'POST /a HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello';

export const suite = await differential(
  import.meta.url,
  {
    config: INSIDE_CLIENTS,
    stats: [
      ...STATS,
      'cluster.CASE-other.upstream_rq*',
      'cluster.CASE-other.internal*',
      'cluster.CASE-other.external*',
    ],
  },
  whateverIsLeft([
    { name: 'a copy goes to another cluster', ...mirrored() },
    { name: 'a copy keeps its host', ...mirrored({ disable_shadow_host_suffix_append: true }) },
    {
      name: 'a copy of a request with a port',
      ...mirrored(),
      client: [
        'GET / HTTP/1.1\r\nhost: h:80\r\n\r\n',
        { responses: 1 },
        { upstreamGets: '\r\n\r\n', at: 'other' },
      ],
    },
    {
      name: 'a copy of a request to an IPv6 address',
      ...mirrored(),
      client: [
        'GET / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n',
        { responses: 1 },
        { upstreamGets: '\r\n\r\n', at: 'other' },
      ],
    },
    { name: 'a copy has its own host', ...mirrored({ host_rewrite_literal: 'copy' }) },
    {
      name: 'a copy has its own headers',
      ...mirrored({
        request_headers_mutations: [
          { append: { header: { key: 'x-copy', value: '%REQ(:PATH)%' } } },
          { remove: 'x-gone' },
        ],
      }),
      client: [get('x-gone: 1'), { responses: 1 }, { upstreamGets: '\r\n\r\n', at: 'other' }],
    },
    {
      name: 'a copy to the cluster a header names',
      config: { route: { request_mirror_policies: [{ cluster_header: 'x-cluster' }] } },
      client: [
        get('x-cluster: CASE-other'),
        { responses: 1 },
        { upstreamGets: '\r\n\r\n', at: 'other' },
      ],
      upstreams: { other: OK },
    },
    {
      name: 'a header that names no cluster',
      config: { route: { request_mirror_policies: [{ cluster_header: 'x-cluster' }] } },
      client: [get('x-cluster: nowhere'), { responses: 1 }],
      upstreams: { other: OK },
    },
    {
      name: 'a header that is not there',
      config: { route: { request_mirror_policies: [{ cluster_header: 'x-cluster' }] } },
      client: [get(), { responses: 1 }],
      upstreams: { other: OK },
    },
    {
      name: 'no copy for a fraction of nothing',
      ...mirrored({ runtime_fraction: { default_value: { numerator: 0 } } }),
      client: [get(), { responses: 1 }],
    },
    {
      name: 'a copy for a fraction of everything',
      ...mirrored({
        runtime_fraction: { default_value: { numerator: 1000000, denominator: 'MILLION' } },
      }),
    },
    {
      name: 'a copy with the body',
      ...mirrored(),
      client: [post, { responses: 1 }, { upstreamGets: 'hello', at: 'other' }],
    },
    {
      name: 'a copy with a chunked body',
      ...mirrored(),
      client: [
        'POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n',
        { responses: 1 },
        { upstreamGets: '0\r\n\r\n', at: 'other' },
      ],
    },
    {
      name: 'two copies',
      config: {
        route: { request_mirror_policies: [{ cluster: 'CASE-other' }, { cluster: 'CASE-third' }] },
      },
      client: [
        get(),
        { responses: 1 },
        { upstreamGets: '\r\n\r\n', at: 'other' },
        { upstreamGets: '\r\n\r\n', at: 'third' },
      ],
      upstreams: { other: OK, third: OK },
    },
    {
      name: "a copy that fails is nobody's business",
      ...mirrored(),
      upstreams: { other: answer('503 No') },
    },
    {
      name: 'a copy is not tried again',
      config: {
        route: {
          request_mirror_policies: [{ cluster: 'CASE-other' }],
          retry_policy: { retry_on: '5xx', retry_back_off: QUICK },
        },
      },
      client: [get(), { responses: 1 }, { upstreamGets: '\r\n\r\n', at: 'other' }],
      upstreams: { other: answer('503 No') },
    },
    {
      name: 'a retried request is copied once',
      config: {
        route: {
          request_mirror_policies: [{ cluster: 'CASE-other' }],
          retry_policy: { retry_on: '5xx', retry_back_off: QUICK },
        },
      },
      client: [get(), { responses: 1 }, { upstreamGets: '\r\n\r\n', at: 'other' }],
      upstream: { answers: [answer('503 No'), OK] },
      upstreams: { other: OK },
    },
    {
      name: 'a copy nobody takes',
      ...mirrored(),
      client: [get(), { responses: 1 }],
      upstreams: { other: { refuses: true } },
    },
    {
      name: "a copy nobody answers ends with the route's time-out",
      config: { route: { timeout: '0.2s', request_mirror_policies: [{ cluster: 'CASE-other' }] } },
      client: [get(), { responses: 1 }, { upstreamEnds: true, at: 'other' }],
      upstreams: { other: [] },
    },
    {
      name: 'a copy of a request whose upstream breaks',
      ...mirrored(),
      upstream: [{ close: true }],
    },
    {
      name: 'a copy whose upstream closes with its answer',
      ...mirrored(),
      upstreams: { other: [answer('200 OK', 'connection: close'), { close: true }] },
    },
    {
      name: 'a copy with a long answer',
      ...mirrored(),
      upstreams: { other: 'HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nhello world' },
    },
    {
      name: "a virtual host's copies",
      config: { virtualHost: { request_mirror_policies: [{ cluster: 'CASE-other' }] } },
      client: [get(), { responses: 1 }, { upstreamGets: '\r\n\r\n', at: 'other' }],
      upstreams: { other: OK },
    },
    {
      name: "a route's copies replace the virtual host's",
      config: {
        virtualHost: { request_mirror_policies: [{ cluster: 'CASE-third' }] },
        route: { request_mirror_policies: [{ cluster: 'CASE-other' }] },
      },
      client: [get(), { responses: 1 }, { upstreamGets: '\r\n\r\n', at: 'other' }],
      upstreams: { other: OK, third: OK },
    },
    {
      name: "a table's copies",
      config: { routeConfig: { request_mirror_policies: [{ cluster: 'CASE-other' }] } },
      client: [get(), { responses: 1 }, { upstreamGets: '\r\n\r\n', at: 'other' }],
      upstreams: { other: OK },
    },
    {
      name: 'a copy carries what the route changes',
      config: {
        virtualHost: { include_request_attempt_count: true },
        route: {
          prefix_rewrite: '/new',
          host_rewrite_literal: 'x',
          request_mirror_policies: [{ cluster: 'CASE-other' }],
        },
        routeMore: { request_headers_to_add: [{ header: { key: 'x-a', value: 'b' } }] },
      },
      client: [
        get('x-forwarded-for: 10.0.0.9'),
        { responses: 1 },
        { upstreamGets: '\r\n\r\n', at: 'other' },
      ],
      upstreams: { other: OK },
    },
    {
      name: 'a copy of a gRPC request',
      config: {
        route: { max_grpc_timeout: '3s', request_mirror_policies: [{ cluster: 'CASE-other' }] },
      },
      client: [
        get('content-type: application/grpc'),
        { responses: 1 },
        { upstreamGets: '\r\n\r\n', at: 'other' },
      ],
      upstreams: { other: OK },
    },
    {
      name: 'a copy of a request whose attempts may take less',
      config: {
        route: {
          request_mirror_policies: [{ cluster: 'CASE-other' }],
          retry_policy: { per_try_timeout: '0.7s' },
        },
      },
      client: [get(), { responses: 1 }, { upstreamGets: '\r\n\r\n', at: 'other' }],
      upstreams: { other: OK },
    },
    {
      name: 'a copy of a request without time-out',
      config: {
        route: { timeout: '0s', request_mirror_policies: [{ cluster: 'CASE-other' }] },
      },
      client: [get(), { responses: 1 }, { upstreamGets: '\r\n\r\n', at: 'other' }],
      upstreams: { other: OK },
    },
    {
      name: 'a copy with trailers',
      config: {
        hcm: { http_protocol_options: { enable_trailers: true } },
        route: { request_mirror_policies: [{ cluster: 'CASE-other' }] },
        clusters: { other: { http_protocol_options: { enable_trailers: true } } },
      },
      client: [
        'POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n0\r\nx-t: 1\r\n\r\n',
        { responses: 1 },
        { upstreamGets: 'x-t', at: 'other' },
      ],
      upstreams: { other: OK },
    },
    {
      name: 'a copy for a cluster without hosts',
      config: {
        route: { request_mirror_policies: [{ cluster: 'CASE-empty' }] },
        clusters: { empty: {} },
      },
      client: [get(), { responses: 1 }],
      stats: ['cluster.CASE-empty.upstream_rq*', 'cluster.CASE-empty.internal*'],
    },
    {
      name: 'a copy that is broken off',
      ...mirrored(),
      upstreams: { other: ['HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab', { close: true }] },
    },
    {
      name: 'a copy that is answered with nonsense',
      ...mirrored(),
      upstreams: { other: 'nonsense\r\n\r\n' },
    },
    {
      name: 'a client that leaves takes its half copy along',
      ...mirrored(),
      client: [
        'POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhe',
        { upstreamGets: 'he', at: 'other' },
        { close: true },
        { upstreamEnds: true, at: 'other' },
      ],
      upstream: [],
      upstreams: { other: [] },
      uncut: 'never complete',
    },
    {
      name: 'a client that leaves leaves its whole copy',
      ...mirrored(),
      client: [
        get(),
        { upstreamGets: '\r\n\r\n', at: 'other' },
        { close: true },
        { upstreamEnds: true },
      ],
      upstream: [],
      upstreams: { other: [{ pauseMs: 150 }, OK] },
    },
  ]),
);
