// Lines of the router's `upstream_log`: one for each attempt, more where options ask for them.
import { differential } from '../differential.ts';
import type { CaseConfig, Json } from '../row.ts';

const get = (target = '/', ...lines: readonly string[]): string =>
  `GET ${target} HTTP/1.1\r\nHost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;

const LOG =
  '%ACCESS_LOG_TYPE% code=%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% in=%BYTES_RECEIVED% ' +
  'out=%BYTES_SENT% %REQ(:METHOD)% %REQ(:PATH)% st=%RESP(:STATUS)% up=%RESP(x-up)% t=%TRAILER(t)% ' +
  'added=%REQ(added)% time=%RESP(x-envoy-upstream-service-time)% cluster=%UPSTREAM_CLUSTER% host=%UPSTREAM_HOST% ' +
  'local=%UPSTREAM_LOCAL_ADDRESS% route=%ROUTE_NAME% tries=%UPSTREAM_REQUEST_ATTEMPT_COUNT% ' +
  'up=%UPSTREAM_PROTOCOL% down=%PROTOCOL% client=%DOWNSTREAM_REMOTE_ADDRESS% heads=%REQUEST_HEADERS_BYTES% ' +
  'id=%STREAM_ID% fail=%UPSTREAM_TRANSPORT_FAILURE_REASON%';
const TIMES =
  '%ACCESS_LOG_TYPE% [%DURATION%] [%REQUEST_DURATION%] [%REQUEST_TX_DURATION%] [%RESPONSE_DURATION%] [%RESPONSE_TX_DURATION%]';
const NUMBERS: readonly (readonly [RegExp, string])[] = [[/\[[0-9]+\]/g, '[N]']];

/** The log of the row is the router's. */
const logged = (format: string, options: Json | null = null): CaseConfig => ({
  hcm: {
    access_log: null,
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
          upstream_log: [
            {
              name: 'envoy.access_loggers.file',
              typed_config: {
                '@type':
                  'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
                path: 'LOG',
                log_format: { text_format_source: { inline_string: `${format}\n` } },
              },
            },
          ],
          ...(options === null ? {} : { upstream_log_options: options }),
        },
      },
    ],
  },
});
const plain = logged(LOG);
const ON_READY = logged(LOG, { flush_upstream_log_on_upstream_stream: true });
const EACH = logged(LOG, { upstream_log_flush_interval: '0.4s' });

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-up: 1\r\n\r\nok';
const FAILS = 'HTTP/1.1 503 No\r\ncontent-length: 3\r\n\r\nbad';
const RETRIES = { timeout: '0s', retry_policy: { retry_on: '5xx', num_retries: 2 } };

export const suite = await differential(import.meta.url, {}, [
  { name: 'an attempt that is answered', client: get(), config: plain, upstream: OK },
  {
    name: 'an attempt with a body',
    client: 'POST / HTTP/1.1\r\nHost: h\r\ncontent-length: 3\r\n\r\nabc',
    config: plain,
    upstream: OK,
  },
  {
    name: 'times of an attempt',
    client: get(),
    config: logged(TIMES),
    upstream: OK,
    mask: NUMBERS,
  },
  {
    name: 'an attempt at a host that refuses',
    client: get(),
    config: plain,
    upstream: { refuses: true },
  },
  { name: 'an attempt that is cut', client: get(), config: plain, upstream: [{ close: true }] },
  { name: 'an attempt that is reset', client: get(), config: plain, upstream: [{ reset: true }] },
  {
    name: 'an attempt that is cut in its answer',
    client: get(),
    config: plain,
    upstream: ['HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab', { close: true }],
  },
  { name: 'an answer that is no HTTP', client: get(), config: plain, upstream: 'bad\r\n\r\n' },
  {
    name: 'an attempt that takes too long',
    client: get(),
    config: { ...plain, route: { timeout: '0.1s' } },
    upstream: [],
  },
  {
    name: 'attempts that take too long each',
    client: get(),
    config: {
      ...plain,
      route: {
        timeout: '2s',
        retry_policy: { retry_on: 'reset', num_retries: 1, per_try_timeout: '0.1s' },
      },
    },
    upstream: [],
  },
  {
    name: 'a client that leaves',
    client: [get(), { upstreamGets: 'GET' }, { close: true }, { upstreamEnds: true }],
    config: plain,
    upstream: [],
  },
  {
    name: 'one line for each attempt',
    client: get(),
    config: { ...plain, route: RETRIES },
    upstream: { answers: [FAILS, FAILS, OK] },
  },
  {
    name: 'no line without an attempt',
    client: get(),
    config: { ...plain, route: { cluster: 'nowhere' } },
  },
  {
    name: 'headers are those that were sent and received',
    client: get(),
    config: {
      ...plain,
      routeMore: {
        request_headers_to_add: [{ header: { key: 'added', value: 'yes' } }],
        response_headers_to_add: [
          {
            header: { key: 'x-up', value: 'changed' },
            append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
          },
        ],
      },
    },
    upstream: OK,
  },
  { name: 'a line when the stream is there', client: get(), config: ON_READY, upstream: OK },
  {
    name: 'a line when each stream is there',
    client: get(),
    config: { ...ON_READY, route: RETRIES },
    upstream: { answers: [FAILS, OK] },
  },
  {
    name: 'a line each interval',
    client: [get(), { responses: 1 }],
    config: EACH,
    upstream: ['HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab', { pauseMs: 560 }, 'cd'],
  },
]);
