// Attempts that get company, and interim answers (envoy-behaviour §4.7, §4.8).
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

export const suite = await differential(
  import.meta.url,
  { config: INSIDE_CLIENTS, stats: STATS },
  whateverIsLeft([
    // Hedging
    {
      name: 'a hedged attempt gets company, and the second answers first',
      config: {
        route: {
          hedge_policy: { hedge_on_per_try_timeout: true },
          retry_policy: { retry_on: '5xx', per_try_timeout: '0.4s', retry_back_off: QUICK },
        },
      },
      client: [get(), { responses: 1 }],
      upstream: { answers: [[], OK] },
    },
    {
      name: 'a hedged attempt gets company, and answers first after all',
      config: {
        route: {
          hedge_policy: { hedge_on_per_try_timeout: true },
          retry_policy: { retry_on: '5xx', per_try_timeout: '0.4s', retry_back_off: QUICK },
        },
      },
      client: [get(), { responses: 1 }],
      upstream: { answers: [[{ pauseMs: 700 }, answer('200 First')], []] },
    },
    {
      name: 'a hedged attempt that fails leaves it to the other',
      config: {
        route: {
          hedge_policy: { hedge_on_per_try_timeout: true },
          retry_policy: { retry_on: '5xx', per_try_timeout: '0.4s', retry_back_off: QUICK },
        },
      },
      client: [get(), { responses: 1 }],
      upstream: {
        answers: [
          [{ pauseMs: 600 }, answer('503 No')],
          [{ pauseMs: 600 }, OK],
        ],
      },
    },
    {
      name: 'a hedged attempt that breaks leaves it to the other',
      config: {
        route: {
          hedge_policy: { hedge_on_per_try_timeout: true },
          retry_policy: { retry_on: '5xx', per_try_timeout: '0.4s', retry_back_off: QUICK },
        },
      },
      client: [get(), { responses: 1 }],
      upstream: {
        answers: [
          [{ pauseMs: 600 }, { close: true }],
          [{ pauseMs: 600 }, OK],
        ],
      },
    },
    {
      name: 'both hedged attempts fail',
      config: {
        route: {
          hedge_policy: { hedge_on_per_try_timeout: true },
          retry_policy: { retry_on: '5xx', per_try_timeout: '0.4s', retry_back_off: QUICK },
        },
      },
      client: [get(), { responses: 1 }],
      upstream: {
        answers: [
          [{ pauseMs: 600 }, answer('503 No')],
          [{ pauseMs: 500 }, answer('502 No')],
        ],
      },
    },
    {
      name: 'hedged attempts run out of time together',
      mask: [[/(x-envoy-expected-rq-timeout-ms: )(?:\d\d\d|1\d\d\d|LESS)\b/g, '$1LEFT']],
      config: {
        route: {
          timeout: '1.2s',
          hedge_policy: { hedge_on_per_try_timeout: true },
          retry_policy: { retry_on: '5xx', per_try_timeout: '0.4s', retry_back_off: QUICK },
        },
      },
      client: [get(), { responses: 1 }],
      upstream: [],
    },
    {
      name: 'hedging without retries just waits',
      config: {
        route: {
          hedge_policy: { hedge_on_per_try_timeout: true },
          retry_policy: { per_try_timeout: '0.4s' },
        },
      },
      client: [get(), { responses: 1 }],
      upstream: [{ pauseMs: 800 }, OK],
    },
    {
      name: 'hedging sends the body again',
      config: {
        route: {
          hedge_policy: { hedge_on_per_try_timeout: true },
          retry_policy: { retry_on: '5xx', per_try_timeout: '0.4s', retry_back_off: QUICK },
        },
      },
      client: ['POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello', { responses: 1 }],
      upstream: { answers: [[], OK] },
    },
    {
      name: 'hedging asked for by header',
      config: {
        route: {
          retry_policy: { retry_on: '5xx', per_try_timeout: '0.4s', retry_back_off: QUICK },
        },
      },
      client: [inside('x-envoy-hedge-on-per-try-timeout: true'), { responses: 1 }],
      upstream: { answers: [[], OK] },
    },
    {
      name: 'hedging forbidden by header',
      config: {
        route: {
          hedge_policy: { hedge_on_per_try_timeout: true },
          retry_policy: { retry_on: '5xx', per_try_timeout: '0.4s', retry_back_off: QUICK },
        },
      },
      client: [inside('x-envoy-hedge-on-per-try-timeout: false'), { responses: 1 }],
      upstream: { answers: [[], OK] },
    },
    {
      name: 'hedging said by the virtual host',
      config: {
        virtualHost: { hedge_policy: { hedge_on_per_try_timeout: true } },
        route: {
          retry_policy: { retry_on: '5xx', per_try_timeout: '0.4s', retry_back_off: QUICK },
        },
      },
      client: [get(), { responses: 1 }],
      upstream: { answers: [[], OK] },
    },
    {
      name: "a hedge policy without the word overrides the virtual host's",
      config: {
        virtualHost: { hedge_policy: { hedge_on_per_try_timeout: true } },
        route: {
          hedge_policy: {},
          retry_policy: { retry_on: '5xx', per_try_timeout: '0.4s', retry_back_off: QUICK },
        },
      },
      client: [get(), { responses: 1 }],
      upstream: { answers: [[], OK] },
    },
    {
      name: 'initial_requests and additional_request_chance do nothing',
      config: {
        route: {
          hedge_policy: { initial_requests: 3, additional_request_chance: { numerator: 100 } },
          retry_policy: { retry_on: '5xx' },
        },
      },
      client: get(),
    },
    {
      name: 'hedging when retries are used up lets the first go on',
      config: {
        route: {
          hedge_policy: { hedge_on_per_try_timeout: true },
          retry_policy: { retry_on: '5xx', num_retries: 0, per_try_timeout: '0.4s' },
        },
      },
      client: [get(), { responses: 1 }],
      upstream: [{ pauseMs: 800 }, OK],
    },

    // Interim answers
    {
      name: 'an interim answer forbids retries',
      config: {
        hcm: { proxy_100_continue: true },
        route: { retry_policy: { retry_on: '5xx', retry_back_off: QUICK } },
      },
      client: [get(), { responses: 1 }],
      upstream: {
        answers: ['HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n', OK],
      },
    },
    {
      name: 'an upstream that closes after an interim answer',
      config: { hcm: { proxy_100_continue: true } },
      client: [get(), { responses: 1 }],
      upstream: ['HTTP/1.1 103 Early\r\n\r\n', { pauseMs: 20 }, { close: true }],
    },
    {
      name: 'a time-out after an interim answer',
      config: { hcm: { proxy_100_continue: true }, route: { timeout: '0.4s' } },
      client: [get(), { responses: 1 }],
      upstream: ['HTTP/1.1 103 Early\r\n\r\n', { pauseMs: 900 }],
    },
    {
      name: 'an attempt that takes too long after an interim answer goes on',
      config: {
        hcm: { proxy_100_continue: true },
        route: { timeout: '1.2s', retry_policy: { retry_on: '5xx', per_try_timeout: '0.4s' } },
      },
      client: [get(), { responses: 1 }],
      upstream: ['HTTP/1.1 103 Early\r\n\r\n', { pauseMs: 600 }],
    },
  ]),
);
