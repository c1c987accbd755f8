// @long @timeout 180 s
// [m] Weights and percentages of recordings 02-routing and 03-faults at 10 000 requests each: χ², p < 0.001. Root only.
import t from 'tap';

import { netnsUnavailableReason } from '../support/netns.ts';
import type { ClientAnswer, ClientWork } from '../support/replay-client.ts';
import { startReplayMesh } from '../support/replay-mesh.ts';
import { checkSplit, countBy } from '../support/replay-statistics.ts';

t.setTimeout(300_000);

const [DETAILS, RATINGS, REVIEWS_1, REVIEWS_2, REVIEWS_3] = [12, 13, 14, 15, 16].map(
  (number) => `10.244.0.${number}`,
) as [string, string, string, string, string];
const mesh = {
  ownAddress: '10.244.0.11',
  endpoints: [DETAILS, RATINGS, REVIEWS_1, REVIEWS_2, REVIEWS_3],
  ports: [9080],
};
const VIP = { details: '10.96.0.11', ratings: '10.96.0.12', reviews: '10.96.0.13' };

interface Case {
  readonly recording: string;
  readonly what: string;
  readonly service: keyof typeof VIP;
  readonly path: string;
  readonly weights: ReadonlyMap<string, number>;
}

// prettier-ignore
const CASES: readonly Case[] = [
  { recording: '02-routing/productpage', what: '80/20 between versions', service: 'reviews', path: '/', weights: new Map([[REVIEWS_1, 80], [REVIEWS_2, 20]]) },
  { recording: '02-routing/productpage', what: '1/2/0 between services', service: 'ratings', path: '/', weights: new Map([[RATINGS, 1], [REVIEWS_3, 2]]) },
  { recording: '03-faults/productpage', what: '50/50 between versions', service: 'reviews', path: '/', weights: new Map([[REVIEWS_1, 1], [REVIEWS_3, 1]]) },
  { recording: '03-faults/productpage', what: 'half of them aborted', service: 'details', path: '/details/0', weights: new Map([[DETAILS, 1], ['400', 1]]) },
];

const label = ({ status, address }: ClientAnswer): string =>
  status === 200 ? address : `${status}`;

const skip = netnsUnavailableReason() ?? false;
t.test('Weights of recordings at 10 000 requests', { skip, timeout: 290_000 }, async (t) => {
  for (const { recording, what, service, path, weights } of CASES) {
    t.test(`${recording}: ${what}`, { timeout: 90_000 }, async (t) => {
      const running = await startReplayMesh(t, recording, mesh);
      const headers = { host: `${service}:9080` };
      const work: ClientWork = {
        host: VIP[service],
        port: 9080,
        path,
        headers,
        count: 10_000,
        brief: true,
      };
      const verdict = await checkSplit(weights, async () => {
        const [answers = []] = await running.ask([work]);
        return countBy(answers, label);
      });
      t.ok(verdict.ok, verdict.text);
    });
  }
});
if (skip !== false) t.comment(`SKIPPED, root only: weights at 10 000 requests (${skip})`);
