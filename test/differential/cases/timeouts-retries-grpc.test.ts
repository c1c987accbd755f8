// What grpc-timeout and max_stream_duration do (envoy-behaviour §1.9, §3.8).
import { differential } from '../differential.ts';
import {
  INSIDE_CLIENTS,
  STATS,
  get,
  inside,
  silent,
  told,
  whateverIsLeft,
} from './timeouts-retries.ts';

const GRPC = 'content-type: application/grpc';

export const suite = await differential(
  import.meta.url,
  { config: INSIDE_CLIENTS, stats: STATS },
  whateverIsLeft([
    // gRPC
    {
      name: 'grpc-timeout counts where a limit allows it',
      ...told({ route: { max_grpc_timeout: '0s' } }, GRPC, 'grpc-timeout: 5S'),
    },
    {
      name: 'grpc-timeout is capped',
      ...told({ route: { max_grpc_timeout: '2s' } }, GRPC, 'grpc-timeout: 5S'),
    },
    {
      name: 'grpc-timeout loses its offset',
      ...told(
        { route: { max_grpc_timeout: '0s', grpc_timeout_offset: '0.1s' } },
        GRPC,
        'grpc-timeout: 5S',
      ),
    },
    {
      name: 'a grpc-timeout below its offset keeps it',
      ...told(
        { route: { max_grpc_timeout: '0s', grpc_timeout_offset: '9s' } },
        GRPC,
        'grpc-timeout: 8S',
      ),
    },
    {
      name: 'no grpc-timeout means none, up to the limit',
      ...told({ route: { max_grpc_timeout: '2s' } }, GRPC),
    },
    { name: 'no grpc-timeout and no limit', ...told({ route: { max_grpc_timeout: '0s' } }, GRPC) },
    {
      name: 'grpc-timeout in microseconds is rounded up',
      ...told({ route: { max_grpc_timeout: '0s' } }, GRPC, 'grpc-timeout: 1500001u'),
    },
    {
      name: 'grpc-timeout in hours',
      ...told({ route: { max_grpc_timeout: '0s' } }, GRPC, 'grpc-timeout: 99H'),
    },
    {
      name: 'grpc-timeout of nine digits is none',
      ...told({ route: { max_grpc_timeout: '2s' } }, GRPC, 'grpc-timeout: 100000000n'),
    },
    {
      name: 'grpc-timeout with leading zeros',
      ...told({ route: { max_grpc_timeout: '0s' } }, GRPC, 'grpc-timeout: 0000000005S'),
    },
    {
      name: 'grpc-timeout of an unknown unit is none',
      ...told({ route: { max_grpc_timeout: '2s' } }, GRPC, 'grpc-timeout: 1X'),
    },
    {
      name: 'grpc-timeout of another content type is left alone',
      ...told(
        { route: { max_grpc_timeout: '2s' } },
        'content-type: text/plain',
        'grpc-timeout: 5S',
      ),
    },
    { name: 'grpc-timeout without a limit is left alone', ...told({}, GRPC, 'grpc-timeout: 5S') },
    {
      name: 'grpc-timeout and a header that overrides it',
      ...told(
        { route: { max_grpc_timeout: '2s' } },
        GRPC,
        'grpc-timeout: 5S',
        'x-envoy-upstream-rq-timeout-ms: 900',
      ),
    },
    {
      name: 'grpc-timeout and a shorter attempt',
      ...told(
        { route: { max_grpc_timeout: '0s', retry_policy: { per_try_timeout: '0.3s' } } },
        GRPC,
        'grpc-timeout: 5S',
      ),
    },
    {
      name: 'grpc-timeout ends a request',
      config: { route: { max_grpc_timeout: '0s' } },
      client: [get(GRPC, 'grpc-timeout: 100m'), { responses: 1 }],
      upstream: [],
    },

    // max_stream_duration of routes
    {
      name: 'a stream may live as long as its route says',
      ...silent({ max_stream_duration: { max_stream_duration: '0.1s' } }),
    },
    {
      name: "a stream's life is told to gRPC upstreams",
      ...told({ route: { max_stream_duration: { max_stream_duration: '7s' } } }, GRPC),
    },
    {
      name: "a stream's life is told to no other",
      ...told({ route: { max_stream_duration: { max_stream_duration: '7s' } } }),
    },
    {
      name: "grpc-timeout sets a stream's life",
      ...told(
        {
          route: {
            max_stream_duration: { max_stream_duration: '7s', grpc_timeout_header_max: '0s' },
          },
        },
        GRPC,
        'grpc-timeout: 9S',
      ),
    },
    {
      name: "grpc-timeout sets a stream's life up to a limit",
      ...told(
        {
          route: {
            max_stream_duration: { max_stream_duration: '7s', grpc_timeout_header_max: '8s' },
          },
        },
        GRPC,
        'grpc-timeout: 9S',
      ),
    },
    {
      name: "grpc-timeout sets a stream's life less an offset",
      ...told(
        {
          route: {
            max_stream_duration: {
              grpc_timeout_header_max: '8s',
              grpc_timeout_header_offset: '1s',
            },
          },
        },
        GRPC,
        'grpc-timeout: 9S',
      ),
    },
    {
      name: 'grpc-timeout is little more than its offset',
      config: {
        route: {
          max_stream_duration: {
            grpc_timeout_header_max: '8s',
            grpc_timeout_header_offset: '1s',
          },
        },
      },
      client: [inside(GRPC, 'grpc-timeout: 1150m'), { responses: 1 }],
      upstream: [],
    },
    {
      name: 'grpc-timeout without a limit for it does not count',
      ...told(
        { route: { max_stream_duration: { max_stream_duration: '7s' } } },
        GRPC,
        'grpc-timeout: 9S',
      ),
    },
    {
      name: "a stream's life without grpc-timeout",
      ...told({ route: { max_stream_duration: { grpc_timeout_header_max: '8s' } } }, GRPC),
    },
    {
      name: "grpc-timeout of no gRPC request sets a stream's life",
      ...silent({ max_stream_duration: { grpc_timeout_header_max: '0s' } }, 'grpc-timeout: 100m'),
    },
    {
      name: "a route takes the connection manager's limit away",
      ...told(
        {
          hcm: { common_http_protocol_options: { max_stream_duration: '9s' } },
          route: { max_stream_duration: { max_stream_duration: '0s' } },
        },
        GRPC,
        'grpc-timeout: 9S',
      ),
    },
    {
      name: "the connection manager's limit serves routes that say something else",
      ...told(
        {
          hcm: { common_http_protocol_options: { max_stream_duration: '9s' } },
          route: { max_stream_duration: { grpc_timeout_header_max: '1s' } },
        },
        GRPC,
      ),
    },
  ]),
);
