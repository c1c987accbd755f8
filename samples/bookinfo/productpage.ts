// Bookinfo's front: asks details and reviews and shows one page. `/productpage`, `/api/v1/products/0/...`, `/portal`, `/login`, `/logout`.
import type { IncomingMessage } from 'node:http';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

import type { BookDetails } from './details.ts';
import { renderPage } from './page.ts';
import type { Part } from './page.ts';
import type { ReviewsAnswer } from './reviews.ts';
import { json, POD_HEADER, runService, VERSION_HEADER } from './service.ts';
import type { Answer, Route } from './service.ts';
import { headersToPassOn, ServiceCaller } from './service-caller.ts';
import type { CallResult } from './service-caller.ts';
import { serviceOptionsOrExit } from './service-options.ts';
import type { ServiceOptions } from './service-options.ts';

/** Which version of reviews the page shows; `npm run split` counts it. */
export const REVIEWS_VERSION_HEADER = 'x-bookinfo-reviews-version';
/** What reviews answered, where the page itself is 200 all the same. */
export const REVIEWS_STATUS_HEADER = 'x-bookinfo-reviews-status';

const USER_COOKIE = /(?:^|; )user=([^;]{1,128})/;
const USER_NAME = /^[A-Za-z0-9._-]{1,64}$/;

export function signedInUser(request: IncomingMessage): string | undefined {
  const value = USER_COOKIE.exec(request.headers.cookie ?? '')?.[1];
  return value !== undefined && USER_NAME.test(value) ? value : undefined;
}

function outgoingHeaders(request: IncomingMessage): Record<string, string> {
  const headers = headersToPassOn(request);
  const user = signedInUser(request);
  if (user !== undefined) headers['end-user'] = user;
  return headers;
}

function toPart<T>(service: string, result: CallResult): Part<T> {
  const { status, elapsedMs } = result;
  if (status === 200) {
    try {
      return { ok: true, value: JSON.parse(result.body) as T, elapsedMs };
    } catch {
      return {
        ok: false,
        problem: `${service} answered 200 with something that is no JSON`,
        elapsedMs,
      };
    }
  }
  const words = result.body.trim().slice(0, 300);
  const problem =
    status === 0 ? words : `${service} answered ${status}${words === '' ? '' : `: ${words}`}`;
  return { ok: false, problem, elapsedMs };
}

/** Of a failed call, only what is known: a missing header is left out. */
function reviewsHeaders(result: CallResult): Record<string, string> {
  const headers: Record<string, string> = { [REVIEWS_STATUS_HEADER]: String(result.status) };
  const version = result.headers[VERSION_HEADER];
  if (typeof version === 'string') headers[REVIEWS_VERSION_HEADER] = version;
  return headers;
}

function passThrough(result: CallResult): Answer {
  if (result.status === 0) return json(503, { error: result.body });
  const contentType = result.headers['content-type'];
  const pod = result.headers[POD_HEADER];
  return {
    status: result.status,
    body: result.body,
    ...(contentType === undefined ? {} : { contentType }),
    headers: {
      ...reviewsHeaders(result),
      ...(typeof pod === 'string' ? { 'x-bookinfo-reviews-pod': pod } : {}),
    },
  };
}

async function productPage(
  options: ServiceOptions,
  caller: ServiceCaller,
  request: IncomingMessage,
): Promise<Answer> {
  const headers = outgoingHeaders(request);
  const [details, reviews] = await Promise.all([
    caller.call('details', '/details/0', headers),
    caller.call('reviews', '/reviews/0', headers),
  ]);
  return {
    status: 200,
    contentType: 'text/html; charset=utf-8',
    headers: { ...reviewsHeaders(reviews), 'cache-control': 'no-store' },
    body: renderPage({
      pod: options.pod,
      user: signedInUser(request),
      details: toPart<BookDetails>('details', details),
      reviews: toPart<ReviewsAnswer>('reviews', reviews),
    }),
  };
}

/** The path goes on as it came, letter case and all: the mesh decides about it. */
function portal(caller: ServiceCaller, request: IncomingMessage): Promise<CallResult> {
  const headers = outgoingHeaders(request);
  const contentType = request.headers['content-type'];
  if (contentType !== undefined) headers['content-type'] = contentType;
  return caller.call('reviews', request.url ?? '/portal', headers);
}

const toPage = (cookie: string): Answer => ({
  status: 303,
  body: '',
  headers: { location: '/productpage', 'set-cookie': `${cookie}; Path=/; HttpOnly; SameSite=Lax` },
});

function login(request: IncomingMessage): Answer {
  const name = new URL(request.url ?? '/', 'http://page').searchParams.get('user') ?? '';
  if (!USER_NAME.test(name))
    return { status: 400, body: 'A user name has 1 to 64 letters, digits, dots, dashes.\n' };
  return toPage(`user=${name}`);
}

export function productPageRoutes(options: ServiceOptions, caller: ServiceCaller): Route[] {
  const forward = (service: string, path: string) => async (request: IncomingMessage) =>
    passThrough(await caller.call(service, path, outgoingHeaders(request)));
  const toPortal = async (request: IncomingMessage): Promise<Answer> =>
    passThrough(await portal(caller, request));
  return [
    { path: '/', handle: () => ({ status: 303, body: '', headers: { location: '/productpage' } }) },
    { path: '/productpage', handle: (request) => productPage(options, caller, request) },
    { path: '/login', handle: login },
    { path: '/logout', handle: () => toPage('user=; Max-Age=0') },
    { path: '/portal', handle: toPortal },
    { path: '/portal/', handle: toPortal },
    { path: '/api/v1/products/0', handle: forward('details', '/details/0') },
    { path: '/api/v1/products/0/reviews', handle: forward('reviews', '/reviews/0') },
    { path: '/api/v1/products/0/ratings', handle: forward('ratings', '/ratings/0') },
  ];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const options = serviceOptionsOrExit('productpage');
  runService('productpage', options, productPageRoutes(options, new ServiceCaller(options)));
}
