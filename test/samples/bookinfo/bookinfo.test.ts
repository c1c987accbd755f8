// The Bookinfo services called directly, without a mesh: what each serves, what the page says when one fails.
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';

import { detailsRoutes } from '../../../samples/bookinfo/details.ts';
import { productPageRoutes } from '../../../samples/bookinfo/productpage.ts';
import { ratingsRoutes } from '../../../samples/bookinfo/ratings.ts';
import { reviewsRoutes } from '../../../samples/bookinfo/reviews.ts';
import { createService, json } from '../../../samples/bookinfo/service.ts';
import type { Route } from '../../../samples/bookinfo/service.ts';
import { ServiceCaller } from '../../../samples/bookinfo/service-caller.ts';
import { readServiceOptions } from '../../../samples/bookinfo/service-options.ts';
import type { ServiceOptions } from '../../../samples/bookinfo/service-options.ts';

const closers: (() => Promise<void>)[] = [];

const options = (service: string, flags: readonly string[]): ServiceOptions =>
  readServiceOptions(service, ['--listen', '127.0.0.1:0', ...flags], {});

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const serve = (service: ServiceOptions, routes: readonly Route[]): Promise<string> =>
  listen(createService(service, routes));

function callerOf(service: ServiceOptions): ServiceCaller {
  const caller = new ServiceCaller(service);
  closers.unshift(async () => caller.close());
  return caller;
}

async function startReviews(version: string, ratingsUrl: string): Promise<string> {
  const service = options('reviews', ['--version', version, '--upstream', `ratings=${ratingsUrl}`]);
  return serve(service, reviewsRoutes(service, callerOf(service)));
}

async function startPage(
  detailsUrl: string,
  reviewsUrl: string,
  more: readonly string[] = [],
): Promise<string> {
  const upstreams = ['--upstream', `details=${detailsUrl}`, '--upstream', `reviews=${reviewsUrl}`];
  const service = options('productpage', [...upstreams, ...more]);
  return serve(service, productPageRoutes(service, callerOf(service)));
}

/** Answers with the headers it was sent. */
const echo: Route[] = ['/reviews/', '/ratings/', '/portal', '/portal/'].map((path) => ({
  path,
  handle: (request) =>
    json(200, { path: request.url, headers: request.headers, ratings: {}, reviews: [] }),
}));

t.afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

t.test('Bookinfo', async (t) => {
  for (const [version, looks, color] of [
    ['v1', false, undefined],
    ['v2', true, 'black'],
    ['v3', true, 'red'],
  ] as const) {
    await t.test(`shows reviews ${version} with ${color ?? 'no'} stars`, async (t) => {
      const details = await serve(options('details', []), detailsRoutes());
      const ratings = await serve(options('ratings', []), ratingsRoutes());
      const page = await startPage(details, await startReviews(version, ratings));
      const response = await fetch(`${page}/productpage`);
      const html = await response.text();
      t.equal(response.status, 200);
      t.equal(response.headers.get('x-bookinfo-reviews-version'), version);
      t.equal(response.headers.get('x-bookinfo-reviews-status'), '200');
      t.match(html, `reviews ${version}`);
      t.match(html, `pod reviews-${version}`);
      t.match(html, 'William Shakespeare');
      t.equal(html.includes('class="stars'), looks);
      if (color !== undefined) t.match(html, `stars ${color}`);
    });
  }

  await t.test('says in words that reviews failed, and with which status', async (t) => {
    const details = await serve(options('details', []), detailsRoutes());
    const failing = await serve(options('reviews', []), [
      { path: '/reviews/', handle: () => ({ status: 504, body: 'upstream request timeout' }) },
    ]);
    const response = await fetch(`${await startPage(details, failing)}/productpage`);
    const html = await response.text();
    t.equal(response.status, 200);
    t.equal(response.headers.get('x-bookinfo-reviews-status'), '504');
    t.match(html, 'the reviews are not available');
    t.match(html, 'reviews answered 504: upstream request timeout');
    t.match(html, 'William Shakespeare');
  });

  await t.test('says that a service is late or refuses', async (t) => {
    const never = await serve(options('reviews', []), [
      { path: '/reviews/', handle: () => new Promise(() => {}) },
    ]);
    const page = await startPage('http://127.0.0.1:1', never, ['--call-timeout', '50']);
    const html = await (await fetch(`${page}/productpage`)).text();
    t.match(html, 'reviews did not answer within 50 ms');
    t.match(html, 'details refused the connection');
  });

  await t.test('says why there are no stars when ratings fail', async (t) => {
    const ratings = await serve(options('ratings', []), [
      { path: '/ratings/', handle: () => ({ status: 400, body: 'fault filter abort' }) },
    ]);
    const reviews = await startReviews('v2', ratings);
    const body = (await (await fetch(`${reviews}/reviews/0`)).json()) as {
      reviews: { rating: unknown }[];
    };
    t.same(body.reviews[0]?.rating, { error: 'ratings answered 400: fault filter abort' });
    const html = await (
      await fetch(`${await startPage('http://127.0.0.1:1', reviews)}/productpage`)
    ).text();
    t.match(html, 'No stars: ratings answered 400: fault filter abort');
  });

  await t.test('escapes what other services send', async (t) => {
    const hostile = await serve(options('reviews', []), [
      {
        path: '/reviews/',
        handle: () =>
          json(200, {
            podname: '<b>',
            version: '"><i>',
            reviews: [{ reviewer: '<u>', text: '<script>', rating: { stars: 1e9, color: '<s>' } }],
          }),
      },
    ]);
    const html = await (
      await fetch(`${await startPage('http://127.0.0.1:1', hostile)}/productpage`)
    ).text();
    for (const tag of ['<b>', '<i>', '<u>', '<script>', '<s>']) t.notMatch(html, tag);
  });

  await t.test('passes the headers on that tie hops together, and no others', async (t) => {
    const reviews = await serve(options('reviews', []), echo);
    const page = await startPage('http://127.0.0.1:1', reviews);
    const sent = {
      'x-request-id': 'id-1',
      'x-b3-traceid': 'a',
      'x-b3-spanid': 'b',
      'x-b3-sampled': '1',
      traceparent: '00-1-2-01',
      tracestate: 'x=y',
      authorization: 'secret',
    };
    const response = await fetch(`${page}/api/v1/products/0/reviews`, { headers: sent });
    const { headers } = (await response.json()) as { headers: Record<string, string> };
    for (const [name, value] of Object.entries(sent)) {
      t.equal(headers[name], name === 'authorization' ? undefined : value, name);
    }
  });

  await t.test('signs in with a cookie and names the user to reviews as end-user', async (t) => {
    const page = await startPage('http://127.0.0.1:1', await serve(options('reviews', []), echo));
    const login = await fetch(`${page}/login?user=jason`, { redirect: 'manual' });
    t.equal(login.status, 303);
    t.equal(login.headers.get('location'), '/productpage');
    const cookie = login.headers.get('set-cookie')?.split(';', 1)[0] ?? '';
    t.equal(cookie, 'user=jason');
    const response = await fetch(`${page}/api/v1/products/0/reviews`, { headers: { cookie } });
    const { headers } = (await response.json()) as { headers: Record<string, string> };
    t.equal(headers['end-user'], 'jason');
    t.match(
      await (await fetch(`${page}/productpage`, { headers: { cookie } })).text(),
      'signed in as',
    );
    const logout = await fetch(`${page}/logout`, { redirect: 'manual' });
    t.match(logout.headers.get('set-cookie'), 'Max-Age=0');
  });

  for (const user of ['', 'a b', 'a%0d%0aset-cookie:x=y', '<script>', 'x'.repeat(65)]) {
    await t.test(`refuses to sign ${JSON.stringify(user)} in`, async (t) => {
      const page = await startPage('http://127.0.0.1:1', 'http://127.0.0.1:1');
      t.equal((await fetch(`${page}/login?user=${user}`, { redirect: 'manual' })).status, 400);
    });
  }

  await t.test('hands /portal on to reviews with its letter case and content type', async (t) => {
    const page = await startPage('http://127.0.0.1:1', await serve(options('reviews', []), echo));
    const response = await fetch(`${page}/PorTal/x?y=1`, {
      headers: { 'content-type': 'application/json' },
    });
    const { path, headers } = (await response.json()) as {
      path: string;
      headers: Record<string, string>;
    };
    t.equal(path, '/PorTal/x?y=1');
    t.equal(headers['content-type'], 'application/json');
  });

  await t.test('tells its health, and 404 for what it does not serve', async (t) => {
    const ratings = await serve(options('ratings', ['--pod', 'ratings-a']), ratingsRoutes());
    t.same(await (await fetch(`${ratings}/health`)).json(), {
      status: 'up',
      pod: 'ratings-a',
      version: 'v1',
    });
    t.equal((await fetch(`${ratings}/other`)).status, 404);
    t.equal((await fetch(`${ratings}/ratings/0`, { method: 'POST', body: 'x' })).status, 404);
  });

  await t.test(
    'dials the address of a name given with --resolve, and sends the name as Host',
    async (t) => {
      const base = await serve(options('reviews', []), echo);
      const { port } = new URL(base);
      const service = options('productpage', [
        '--resolve',
        'reviews=127.0.0.1',
        '--upstream',
        `reviews=http://reviews:${port}`,
      ]);
      const caller = callerOf(service);
      const result = await caller.call('reviews', '/reviews/0', {});
      t.equal(
        (JSON.parse(result.body) as { headers: { host: string } }).headers.host,
        `reviews:${port}`,
      );
      const unknown = await caller.call('ratings', '/ratings/0', {});
      t.equal(unknown.status, 0);
      t.match(unknown.body, 'no address is known for ratings');
    },
  );
});

t.test('readServiceOptions', async (t) => {
  for (const [flags, message] of [
    [['--listen', 'here:80'], '--listen: "here:80"'],
    [['--listen', '127.0.0.1:70000'], '--listen: "70000"'],
    [['--upstream', 'reviews'], '--upstream: "reviews" is not NAME=VALUE'],
    [['--upstream', 'other=http://x'], 'no service is called "other"'],
    [['--upstream', 'reviews=ftp://x'], 'is no http:// URL'],
    [['--resolve', 'reviews=there'], 'is no IP address'],
    [['--call-timeout', 'soon'], '--call-timeout: "soon"'],
  ] as const) {
    await t.test(`refuses ${flags.join(' ')}`, async (t) => {
      t.throws(() => readServiceOptions('x', flags, {}), {
        message: new RegExp(message.replace(/[.*]/g, '\\$&')),
      });
    });
  }

  await t.test('reads the environment where flags say nothing', async (t) => {
    const read = readServiceOptions('reviews', ['--pod', 'p'], {
      LISTEN: '[::1]:81',
      SERVICE_VERSION: 'v3',
      RATINGS_URL: 'http://r:1',
      RESOLVE: 'a=127.0.0.1 b=::1',
    });
    t.match(read, { listenAddress: '::1', listenPort: 81, version: 'v3', pod: 'p' });
    t.equal(read.upstreams.get('ratings')?.host, 'r:1');
    t.equal(read.hosts.get('b'), '::1');
  });
});
