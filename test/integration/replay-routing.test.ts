// [m] Requests through what istiod sent in 02-routing: every routing action of a VirtualService gets what its YAML asks for. Root only.
import t from 'tap';
import type { Test } from 'tap';

import { eventually } from '../support/eventually.ts';
import { netnsUnavailableReason } from '../support/netns.ts';
import type { ClientAnswer, ClientWork } from '../support/replay-client.ts';
import { startReplayMesh } from '../support/replay-mesh.ts';
import type { ReplayMesh, ReplayMeshOptions } from '../support/replay-mesh.ts';
import { checkSplit, countBy } from '../support/replay-statistics.ts';

// Processes, namespaces, timers of the recordings: on a busy machine this takes longer than tap allows by itself.
t.setTimeout(120_000);

const mesh: ReplayMeshOptions = {
  ownAddress: '10.244.0.11',
  endpoints: ['10.244.0.12', '10.244.0.13', '10.244.0.14', '10.244.0.15', '10.244.0.16'],
  ports: [9080],
};
const V1 = '10.244.0.14';
const V2 = '10.244.0.15';
const V3 = '10.244.0.16';

const reviews = (rest: Partial<ClientWork> = {}): ClientWork => ({
  host: '10.96.0.13',
  port: 9080,
  path: '/',
  ...rest,
  headers: { host: 'reviews:9080', ...rest.headers },
});

const ratings = (rest: Partial<ClientWork> = {}): ClientWork => ({
  host: '10.96.0.12',
  port: 9080,
  path: '/',
  ...rest,
  headers: { host: 'ratings:9080', ...rest.headers },
});

interface SeenRequest {
  readonly url: string;
  readonly attempt: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** The request as the upstream saw it. */
const seenBy = (answer: ClientAnswer | undefined): SeenRequest =>
  JSON.parse(answer?.body ?? '{}') as SeenRequest;

async function one(running: ReplayMesh, work: ClientWork): Promise<ClientAnswer> {
  const [[answer] = []] = await running.ask([work]);
  return answer!;
}

type MatchCase = readonly [what: string, work: ClientWork, ...addresses: readonly string[]];
const kinds = { 'x-present': '', 'x-prefix': 'abcd', 'x-regex': '0123abcd' };

// prettier-ignore
const MATCHES: readonly MatchCase[] = [
  ['a header', reviews({ headers: { 'end-user': 'jason' } }), V2],
  ['a header, before what comes later', reviews({ path: '/maintenance', headers: { 'end-user': 'jason' } }), V2],
  ['a header whose value differs in case', reviews({ headers: { 'end-user': 'Jason' } }), V1, V2],
  ['a header and a prefix', reviews({ path: '/portal/x', headers: { 'content-type': 'application/json' } }), V3],
  ['a prefix whatever its case', reviews({ path: '/PorTal', headers: { 'content-type': 'application/json' } }), V3],
  ['a prefix without its header', reviews({ path: '/portal' }), V1, V2],
  ['a query parameter', reviews({ path: '/x?a=b&version=v3' }), V3],
  ['a query parameter by regex', reviews({ path: '/x?debug=true' }), V3],
  ['a query parameter by prefix', reviews({ path: '/x?page=next-7' }), V3],
  ['a query parameter of another value', reviews({ path: '/x?version=v33' }), V1, V2],
  ['a regex of the path', reviews({ path: '/reviews/12' }), V1],
  ['no regex that matches in part only', reviews({ path: '/reviews/12/x' }), V1, V2],
  ['labels of the source', reviews({ path: '/from-productpage' }), V3],
  ['no labels of another source', reviews({ path: '/from-elsewhere' }), V1, V2],
  ['presence, prefix, regex and absence of headers', reviews({ headers: kinds }), V2],
  ['no header that should be absent', reviews({ headers: { ...kinds, 'x-absent': '1' }, count: 20 }), V1, V2],
  ['no header that should differ', reviews({ headers: { ...kinds, 'x-not': 'no' }, count: 20 }), V1, V2],
  ['no header that the regex matches in part', reviews({ headers: { ...kinds, 'x-regex': '0123abcde' }, count: 20 }), V1, V2],
];

function matches(t: Test, running: () => ReplayMesh): void {
  t.test('routes by', async (t) => {
    const answers = await running().ask(MATCHES.map(([, work]) => ({ count: 8, ...work })));
    for (const [i, [what, , ...addresses]] of MATCHES.entries()) {
      const found = [
        ...countBy(answers[i]!, (a) => (a.status === 200 ? a.address : `${a.status}`)).keys(),
      ].sort();
      // Where two may come, eight tries may not see both.
      t.ok(
        found.every((address) => addresses.includes(address)),
        `${what}: ${found.join(', ')}`,
      );
    }
  });
}

function rewrites(t: Test, running: () => ReplayMesh): void {
  t.test('rewrites path and host', async (t) => {
    const [[prefix] = [], [regex] = [], [index] = [], [html] = []] = await running().ask([
      reviews({ path: '/api/v1/a/b?c=d' }),
      reviews({ path: '/legacy/one/two/three?q=1' }),
      ratings({ path: '/ratings/index', headers: { host: 'ratings.default' } }),
      ratings({ path: '/ratings/index.html?x' }),
    ]);
    t.match(seenBy(prefix), {
      url: '/a/b?c=d',
      headers: { host: 'reviews.internal', 'x-envoy-original-path': '/api/v1/a/b?c=d' },
    });
    t.match(seenBy(regex), { url: '/two/three/one?q=1' });
    t.match(seenBy(index), { url: '/ratings' });
    t.match(seenBy(html), { url: '/ratings?x' });
  });
  t.test('redirects', async (t) => {
    const [[old] = [], [secure] = []] = await running().ask([
      reviews({ path: '/old?a=b' }),
      reviews({ path: '/secure/page?a=b' }),
    ]);
    t.match(old, { status: 302, address: '' });
    t.equal(old?.headers?.['location'], 'http://reviews.example.com/new?a=b');
    t.match(secure, { status: 301, address: '' });
    t.equal(secure?.headers?.['location'], 'https://reviews:8443/secure/page?a=b');
  });
  t.test('answers by itself', async (t) => {
    const [[down] = [], [logo] = []] = await running().ask([
      reviews({ path: '/maintenance' }),
      ratings({ path: '/logo' }),
    ]);
    t.match(down, { status: 503, body: 'down for maintenance', headers: { 'retry-after': '120' } });
    t.match(logo, { status: 200, headers: { 'content-length': '8' } });
  });
  t.test('adds, sets and removes headers', async (t) => {
    const headers = {
      'x-set': 'mine',
      'x-add': 'one',
      'x-remove': 'r',
      cookie: 'c',
      'x-dest': 'v0',
    };
    const answer = await one(running(), reviews({ path: '/headers', headers }));
    t.match(seenBy(answer).headers, {
      'x-set': 'one',
      'x-add': 'one, two',
      'x-dest': 'v0, v1',
      'x-forwarded-client': '10.77.0.1',
      'x-remove': undefined,
      cookie: undefined,
    });
    t.match(answer.headers, {
      'x-res-set': 'three',
      'x-res-add': 'four',
      'x-res-remove': undefined,
      'x-powered-by': undefined,
    });
  });
}

function cors(t: Test, running: () => ReplayMesh): void {
  t.test('answers preflight requests of origins that may', async (t) => {
    const preflight = (origin: string): ClientWork =>
      reviews({
        method: 'OPTIONS',
        path: '/cors',
        headers: { origin, 'access-control-request-method': 'POST' },
      });
    const origins = [
      'https://shop.example.com',
      'https://dev-7.example',
      'https://abc.example.org',
      'https://evil.example',
    ];
    const answers = await running().ask(origins.map(preflight));
    for (const [i, origin] of origins.slice(0, 3).entries()) {
      t.match(answers[i]?.[0], {
        status: 200,
        address: '',
        headers: {
          'access-control-allow-origin': origin,
          'access-control-allow-methods': 'GET,POST,OPTIONS',
          'access-control-allow-headers': 'authorization,content-type',
          'access-control-max-age': '86400',
          'access-control-allow-credentials': 'true',
        },
      });
    }
    const other = answers[3]?.[0];
    t.match(other, { status: 200, address: V1 }, 'others go to the upstream');
    t.equal(other?.headers?.['access-control-allow-origin'], undefined);
    const plain = await one(
      running(),
      reviews({ path: '/cors', headers: { origin: origins[0]! } }),
    );
    t.match(plain, {
      address: V1,
      headers: {
        'access-control-allow-origin': origins[0],
        'access-control-expose-headers': 'x-request-id',
      },
    });
  });
}

function retries(t: Test, running: () => ReplayMesh): void {
  const failing = (id: string, times: number): Record<string, string> => ({
    'x-request-id': id,
    'x-upstream-fail-first': String(times),
  });
  t.test('times out', async (t) => {
    const answer = await one(
      running(),
      reviews({ path: '/reviews/7', headers: { 'x-upstream-delay-ms': '4000' } }),
    );
    t.match(answer, { status: 504, body: 'upstream request timeout' });
    t.ok(answer.ms >= 990 && answer.ms < 3500, `after ${answer.ms.toFixed(0)} ms of 1000`);
    await eventually('UT in the access log', () =>
      running().proxy.accessLog.some((line) =>
        line.includes('"GET /reviews/7 HTTP/1.1" 504 UT response_timeout'),
      ),
    );
  });
  t.test('tries again where the route says so', async (t) => {
    const [[twice] = [], [often] = [], [once] = [], [split] = []] = await running().ask([
      reviews({ path: '/retries', headers: failing('8b4aee1c-0000-4000-8000-000000000001', 2) }),
      reviews({ path: '/retries', headers: failing('8b4aee1c-0000-4000-8000-000000000002', 9) }),
      reviews({ path: '/once', headers: failing('8b4aee1c-0000-4000-8000-000000000003', 1) }),
      reviews({ path: '/x', headers: failing('8b4aee1c-0000-4000-8000-000000000004', 1) }),
    ]);
    t.equal(twice?.status, 200);
    t.match(seenBy(twice), { attempt: 3, headers: { 'x-envoy-attempt-count': '3' } });
    t.equal(often?.status, 503);
    t.match(seenBy(often), { attempt: 4 }, 'three retries, no more');
    await eventually('URX in the access log', () =>
      running().proxy.accessLog.some((line) => line.includes('"GET /retries HTTP/1.1" 503 URX')),
    );
    t.match(seenBy(once), { attempt: 1 }, 'not where they are off');
    // What Istio retries by default: connects that fail, and not a 503 that the application sent.
    t.equal(split?.status, 503);
  });
  t.test('gives up a try after its own timeout', async (t) => {
    const headers = {
      ...failing('8b4aee1c-0000-4000-8000-000000000005', 1),
      'x-upstream-delay-ms': '8000',
    };
    const answer = await one(running(), reviews({ path: '/retries/slow', headers }));
    t.equal(answer.status, 200);
    t.match(seenBy(answer), { attempt: 2 });
    t.ok(answer.ms >= 1990 && answer.ms < 6000, `after ${answer.ms.toFixed(0)} ms of 2000`);
  });
}

function splits(t: Test, running: () => ReplayMesh): void {
  const draw = (work: ClientWork) => async (): Promise<Map<string, number>> => {
    const [answers = []] = await running().ask([{ ...work, count: 2000, brief: true }]);
    return countBy(answers, ({ status, address }) =>
      status === 200 ? address : `status ${status}`,
    );
  };
  // At 10 000 requests: test/long/replay-weights.test.ts.
  t.test('splits 80/20', async (t) => {
    const verdict = await checkSplit(
      new Map([
        [V1, 80],
        [V2, 20],
      ]),
      draw(reviews()),
    );
    t.ok(verdict.ok, verdict.text);
  });
  t.test('splits 1/2/0 between services', async (t) => {
    const verdict = await checkSplit(
      new Map([
        ['10.244.0.13', 1],
        [V3, 2],
      ]),
      draw(ratings()),
    );
    t.ok(verdict.ok, verdict.text);
  });
}

function mirrors(t: Test, running: () => ReplayMesh): void {
  const shadows = (path: string): Map<string, number> =>
    countBy(
      running()
        .upstreamLines.map(
          (line) => JSON.parse(line) as { address: string; url: string; host: string },
        )
        .filter(({ url }) => url === path),
      ({ address, host }) => `${address} ${host}`,
    );
  t.test('mirrors', async (t) => {
    const [all = [], half = []] = await running().ask([
      reviews({ path: '/mirror-all', count: 20 }),
      reviews({ path: '/mirror-half', count: 200 }),
    ]);
    t.strictSame(
      [...countBy([...all, ...half], ({ address }) => address).keys()],
      [V1],
      'answers are the route’s own',
    );
    const shadow = `${V2} reviews-shadow:9080`;
    await eventually('all mirrored', () => shadows('/mirror-all').get(shadow) === 20).catch(
      () => {},
    );
    t.strictSame([...shadows('/mirror-all')].sort(), [
      [`${V1} reviews:9080`, 20],
      [shadow, 20],
    ]);
    const mirrored = shadows('/mirror-half').get(shadow) ?? 0;
    // Six standard deviations of 200 coins.
    t.ok(mirrored > 57 && mirrored < 143, `half: ${mirrored} of 200`);
  });
}

const skip = netnsUnavailableReason() ?? false;
t.test('Routing of 02-routing', { skip, timeout: 90_000 }, async (t) => {
  let running: ReplayMesh;
  t.before(async () => {
    running = await startReplayMesh(t, '02-routing/productpage', mesh);
  });
  for (const part of [matches, rewrites, cors, retries, mirrors, splits]) part(t, () => running);
});
if (skip !== false) t.comment(`SKIPPED, root only: routing of 02-routing (${skip})`);
