// @long @timeout 180 s
// Stateful sessions: clients that come back to their host by cookie or header, in ours and in the real Envoy (ENVOY_BIN).
// @timeout 60 s
import t from 'tap';

import { endpoints, hostAddress, locality, startChoice } from '../support/host-choice.ts';
import type { ChoiceRow, ChoosingProxy } from '../support/host-choice.ts';

t.setTimeout(60_000);

type Json = { readonly [key: string]: unknown };

const EXTENSIONS = 'type.googleapis.com/envoy.extensions';
const FILTER = `${EXTENSIONS}.filters.http.stateful_session.v3`;
const cookieState = (more: Json = {}): Json => ({
  name: 'envoy.http.stateful_session.cookie',
  typed_config: {
    '@type': `${EXTENSIONS}.http.stateful_session.cookie.v3.CookieBasedSessionState`,
    cookie: { name: 'sess', path: '/', ...more },
  },
});
const headerState: Json = {
  name: 'envoy.http.stateful_session.header',
  typed_config: {
    '@type': `${EXTENSIONS}.http.stateful_session.header.v3.HeaderBasedSessionState`,
    name: 'x-sess',
  },
};
const NAME = 'envoy.filters.http.stateful_session';
const filter: Json = { name: NAME, typed_config: { '@type': `${FILTER}.StatefulSession` } };
const onRoute = (settings: Json): Json => ({
  typed_per_filter_config: {
    [NAME]: { '@type': `${FILTER}.StatefulSessionPerRoute`, ...settings },
  },
});
const row = (id: string, settings: Json, more: Json = {}): ChoiceRow => ({
  id,
  endpoints: [
    locality([
      ...endpoints(1, 3),
      ...endpoints(4, 1, () => ({ health: 'UNHEALTHY' })),
      ...endpoints(5, 1, () => ({ health: 'DEGRADED' })),
    ]),
    locality(endpoints(11, 2), { priority: 1 }),
  ],
  action: {
    retry_policy: { retry_on: '5xx', retry_back_off: { base_interval: '0.001s' } },
    ...more,
  },
  route: onRoute(settings),
});
const session = (state: Json, strict = false): Json => ({
  stateful_session: { session_state: state, strict },
});
const rows: readonly ChoiceRow[] = [
  row('cookie', session(cookieState())),
  row('cookieStrict', session(cookieState(), true)),
  row('cookieTtl', session(cookieState({ ttl: '60s' }))),
  row('header', session(headerState)),
  row('headerStrict', session(headerState, true)),
  {
    ...row('statuses', session(headerState, true)),
    cluster: {
      common_lb_config: { override_host_status: { statuses: ['UNKNOWN', 'HEALTHY', 'DRAINING'] } },
    },
    endpoints: [
      locality([
        ...endpoints(1, 2),
        ...endpoints(3, 1, () => ({ health: 'DRAINING' })),
        ...endpoints(4, 1, () => ({ health: 'UNHEALTHY' })),
        ...endpoints(5, 1, () => ({ health: 'DEGRADED' })),
        ...endpoints(6, 1, () => ({ health: 'HEALTHY' })),
        ...endpoints(7, 1, () => ({ health: 'TIMEOUT' })),
      ]),
    ],
  },
  row('off', { disabled: true }),
];

interface Answer {
  readonly status: number;
  /** Last number of its address; '' for none. */
  readonly host: string;
  /** What the client is to keep; null: nothing new. */
  readonly session: string | null;
}

async function get(
  proxy: ChoosingProxy,
  id: string,
  headers: Record<string, string>,
): Promise<Answer> {
  const url = `http://127.0.0.1:${proxy.process.port('in')}/${id}/`;
  const response = await fetch(url, { headers });
  await response.text();
  return {
    status: response.status,
    host: response.headers.get('x-host')!.replace(/:\d+$/, '').split('.').at(-1)!.replace('h', ''),
    session: response.headers.get('set-cookie') ?? response.headers.get('x-sess'),
  };
}

const base64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64');

t.test('stateful sessions', async (t) => {
  const { ours, envoy, port } = await startChoice(t, rows, { httpFilters: [filter] });
  const addressOf = (n: number): string => `${hostAddress(n)}:${port}`;
  const proxies = [
    ['ours', ours],
    ['Envoy', envoy],
  ] as const;
  for (const [who, proxy] of proxies) {
    if (proxy === undefined) continue;
    for (const { id } of rows.slice(0, 5)) {
      const byCookie = id.startsWith('cookie');
      const strict = id.endsWith('Strict');
      const carry = (value: string): Record<string, string> =>
        byCookie ? { cookie: `sess=${value}` } : { 'x-sess': value };

      const first = await get(proxy, id, {});
      t.match(
        first.session,
        byCookie ? /^sess="[^"]+"(; Max-Age=60)?; Path=\/; HttpOnly$/ : /^[A-Za-z0-9+/=]+$/,
        `${who}, ${id}: a first answer names its host`,
      );
      const value = byCookie ? /"([^"]+)"/.exec(first.session!)![1]! : first.session!;
      for (let i = 0; i < 5; i++) {
        const again = await get(proxy, id, carry(value));
        t.same(again, { status: 200, host: first.host, session: null }, 'and it is kept to');
      }

      for (const [what, n, stays] of [
        ['a host', 2, true],
        ['a degraded host', 5, true],
        ['a host of another priority', 12, true],
        ['a sick host', 4, false],
        ['no host of the cluster', 99, false],
      ] as const) {
        const answer = await get(proxy, id, carry(base64(addressOf(n))));
        if (stays)
          t.same(answer, { status: 200, host: String(n), session: null }, `${who}, ${id}: ${what}`);
        else if (strict)
          t.match(answer, { status: 503, host: '', session: null }, `${who}, ${id}: ${what}`);
        else
          t.match(
            answer,
            { status: 200, session: String },
            `${who}, ${id}: ${what}, another instead`,
          );
      }
      const plain = await get(proxy, id, carry(addressOf(2)));
      t.match(
        plain,
        { status: 200, session: String },
        `${who}, ${id}: what is not base64 is nothing`,
      );

      const failing = { ...carry(base64(addressOf(2))), 'x-fail': '1' };
      const hosts = new Set<string>();
      for (let i = 0; i < 12; i++) hosts.add((await get(proxy, id, failing)).host);
      t.ok(hosts.size > 1, `${who}, ${id}: a retry is free to go elsewhere`);
    }
    const statuses = [];
    for (let n = 1; n <= 7; n++)
      statuses.push((await get(proxy, 'statuses', { 'x-sess': base64(addressOf(n)) })).status);
    t.same(statuses, [200, 200, 200, 503, 503, 200, 503], `${who}: by the statuses that may be`);
    const off = await get(proxy, 'off', { 'x-sess': base64(addressOf(2)) });
    t.equal(off.session, null, `${who}: a route without`);
    // The one takes what the other made.
    for (const [maker, other] of [
      [ours, envoy],
      [envoy, ours],
    ] as const) {
      if (maker === undefined || other === undefined) continue;
      const made = await get(maker, 'cookieTtl', {});
      const cookie = made.session!.slice(0, made.session!.indexOf(';'));
      t.same(
        await get(other, 'cookieTtl', { cookie }),
        { status: 200, host: made.host, session: null },
        'one takes what the other made',
      );
    }
  }
});
