// What runtime keys do to retries (envoy-behaviour §4.3, §4.4).
import { differential } from '../differential.ts';
import {
  INSIDE_CLIENTS,
  OK,
  QUICK,
  STATS,
  answer,
  get,
  inside,
  whateverIsLeft,
} from './timeouts-retries.ts';

const AGAIN = { answers: [answer('503 No'), OK] };

export const suite = await differential(
  import.meta.url,
  {
    config: INSIDE_CLIENTS,
    stats: STATS,
    bootstrap: {
      layered_runtime: {
        layers: [
          {
            name: 'static',
            static_layer: { 'upstream.use_retry': 0, 'upstream.base_retry_backoff_ms': 1 },
          },
        ],
      },
    },
  },
  whateverIsLeft([
    {
      name: 'no retries where upstream.use_retry is 0',
      config: { route: { retry_policy: { retry_on: '5xx', retry_back_off: QUICK } } },
      client: get(),
      upstream: AGAIN,
    },
    {
      name: 'nor where a header asks for them',
      client: inside('x-envoy-retry-on: 5xx'),
      upstream: AGAIN,
    },
    {
      name: 'nor after a reset',
      config: { route: { retry_policy: { retry_on: 'reset' } } },
      client: get(),
      upstream: { answers: [[{ close: true }], OK] },
    },
    {
      name: 'a request without retries to spare is told so first',
      config: { route: { retry_policy: { retry_on: '5xx', num_retries: 0 } } },
      client: get(),
      upstream: AGAIN,
    },
    {
      name: 'a closed breaker comes first, too',
      config: {
        route: { retry_policy: { retry_on: '5xx' } },
        clusters: { up: { circuit_breakers: { thresholds: [{ max_retries: 0 }] } } },
      },
      client: get(),
      upstream: AGAIN,
    },
  ]),
);
