// [m] Requests through what istiod sent in 03-faults: delays and aborts, by percentage, for whom they are meant. Root only.
import t from 'tap';

import { eventually } from '../support/eventually.ts';
import { netnsUnavailableReason } from '../support/netns.ts';
import { parseAccessLogLine } from '../support/replay-access-log.ts';
import type { AccessLogLine } from '../support/replay-access-log.ts';
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
const VIP = { details: '10.96.0.11', ratings: '10.96.0.12', reviews: '10.96.0.13' };

const callOf = (service: keyof typeof VIP, rest: Partial<ClientWork> = {}): ClientWork => ({
  host: VIP[service],
  port: 9080,
  path: '/',
  ...rest,
  headers: { host: `${service}:9080`, ...rest.headers },
});

/** Of one round of requests, told apart by their user agent; resolves when all are there. */
async function linesOf(
  { proxy }: ReplayMesh,
  userAgent: string,
  count: number,
): Promise<AccessLogLine[]> {
  let lines: AccessLogLine[] = [];
  await eventually(`${count} access log lines of ${userAgent}`, () => {
    const parsed = proxy.accessLog.map(parseAccessLogLine);
    lines = parsed.filter((line) => line?.userAgent === userAgent) as AccessLogLine[];
    return lines.length >= count;
  });
  return lines;
}

const statusAndBody = ({ status, body }: ClientAnswer): string =>
  `${status} ${status === 200 ? '' : body}`.trim();

const skip = netnsUnavailableReason() ?? false;
t.test('Faults of 03-faults', { skip, timeout: 90_000 }, async (t) => {
  let running: ReplayMesh;
  let rounds = 0;
  t.before(async () => {
    running = await startReplayMesh(t, '03-faults/productpage', mesh);
  });

  t.test('delays all requests of one user by 2 s', async (t) => {
    const headers = { 'end-user': 'jason', 'user-agent': 'jason' };
    const [answers = []] = await running.ask([callOf('ratings', { headers, count: 5 })]);
    for (const { status, address, ms } of answers) {
      t.equal(`${status} ${address}`, '200 10.244.0.13');
      t.ok(ms >= 1990 && ms < 5000, `after ${ms.toFixed(0)} ms of 2000`);
    }
    const lines = await linesOf(running, 'jason', 5);
    t.strictSame(
      [...countBy(lines, ({ flags, route }) => `${flags} ${route}`)],
      [['DI jason-delay', 5]],
    );
  });

  t.test('delays half of the requests of others by 5 s', async (t) => {
    const verdict = await checkSplit(
      new Map([
        ['delayed', 1],
        ['at once', 1],
      ]),
      async () => {
        const headers = { 'user-agent': `half-delay-${++rounds}` };
        const work = callOf('ratings', { headers, count: 300, concurrency: 300 });
        const [answers = []] = await running.ask([work]);
        t.strictSame([...countBy(answers, ({ status }) => `${status}`).keys()], ['200']);
        const lines = await linesOf(running, headers['user-agent'], 300);
        const delayed = lines.filter(({ flags }) => flags === 'DI').length;
        const slow = answers.filter(({ ms }) => ms >= 4990).length;
        t.equal(slow, delayed, 'those that the log calls delayed took 5 s, the others did not');
        return countBy(lines, ({ flags }) => (flags === 'DI' ? 'delayed' : 'at once'));
      },
    );
    t.ok(verdict.ok, verdict.text);
  });

  t.test('aborts half of the requests with 400, and only below its prefix', async (t) => {
    const verdict = await checkSplit(
      new Map([
        ['200', 1],
        ['400 fault filter abort', 1],
      ]),
      async () => {
        const [answers = []] = await running.ask([
          callOf('details', { path: '/details/0', count: 2000 }),
        ]);
        return countBy(answers, statusAndBody);
      },
    );
    t.ok(verdict.ok, verdict.text);
    const [clean = []] = await running.ask([callOf('details', { path: '/health', count: 100 })]);
    t.strictSame([...countBy(clean, statusAndBody)], [['200', 100]]);
    const lines = running.proxy.accessLog
      .map(parseAccessLogLine)
      .filter((line) => line?.status === 400);
    t.strictSame(
      [...countBy(lines, (line) => `${line?.flags} ${line?.details} ${line?.route}`).keys()],
      ['FI fault_filter_abort half-abort'],
    );
  });

  t.test('aborts gRPC calls with their own status', async (t) => {
    const headers = { 'end-user': 'jason', 'content-type': 'application/grpc' };
    const [[grpc] = [], [plain] = []] = await running.ask([
      callOf('reviews', { method: 'POST', path: '/r.Reviews/Get', headers }),
      callOf('reviews', { headers: { 'end-user': 'jason' } }),
    ]);
    t.match(grpc, { status: 200, body: '' });
    t.match(grpc?.headers, {
      'content-type': 'application/grpc',
      'grpc-status': '14',
      'grpc-message': 'fault filter abort',
    });
    t.equal(plain?.status, 200);
  });

  t.test('delays 12.5 % and aborts next to none', async (t) => {
    const verdict = await checkSplit(
      new Map([
        ['delayed', 125],
        ['at once', 875],
      ]),
      async () => {
        const headers = { 'user-agent': `chaos-${++rounds}` };
        const work = callOf('reviews', {
          path: '/chaos',
          headers,
          count: 2000,
          concurrency: 50,
          brief: true,
        });
        const [answers = []] = await running.ask([work]);
        const lines = await linesOf(running, headers['user-agent'], 2000);
        const aborted = lines.filter(({ flags }) => flags.includes('FI'));
        // 0.01 % of 2000 is 0.2; ten are out of the question.
        t.ok(aborted.length < 10, `${aborted.length} aborted`);
        t.equal(answers.filter(({ status }) => status === 503).length, aborted.length);
        const delayed = lines.filter(({ flags }) => flags.includes('DI')).length;
        t.ok(answers.filter(({ ms }) => ms >= 245).length >= delayed, 'a delay of 250 ms is one');
        return new Map([
          ['delayed', delayed],
          ['at once', lines.length - delayed],
        ]);
      },
    );
    t.ok(verdict.ok, verdict.text);
  });

  t.test('leaves the clean route alone', async (t) => {
    const verdict = await checkSplit(
      new Map([
        ['10.244.0.14', 1],
        ['10.244.0.16', 1],
      ]),
      async () => {
        const [answers = []] = await running.ask([callOf('reviews', { count: 2000, brief: true })]);
        return countBy(answers, ({ status, address }) => (status === 200 ? address : `${status}`));
      },
    );
    t.ok(verdict.ok, verdict.text);
  });
});
if (skip !== false) t.comment(`SKIPPED, root only: faults of 03-faults (${skip})`);
