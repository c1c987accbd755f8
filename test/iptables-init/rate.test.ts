// @long @timeout 300 s
// [m] 500 connections a second through the redirect rules, out of a pod and into it, and none is lost. Root only.
import { spawn } from 'node:child_process';
import process from 'node:process';
import t from 'tap';
import { netnsUnavailableReason } from '../support/netns.ts';
import type { Pod } from '../support/netns.ts';
import { addresses, TrafficPods } from './traffic-pods.ts';

const perSecond = 500;
const seconds = 10;

/** Opens connections on a schedule, whether or not the earlier ones are answered, and counts the answers by what they say. */
const opener = `
  const [host, port, perSecond, seconds] = process.argv.slice(1);
  const total = perSecond * seconds, answers = {}, started = performance.now();
  let opened = 0, ended = 0, late = 0;
  const tick = setInterval(() => {
    const due = Math.min(total, Math.floor((performance.now() - started) / 1000 * perSecond));
    if (due - opened > perSecond / 5) late++;
    for (; opened < due; opened++) open();
    if (opened === total) { clearInterval(tick); openedIn = (performance.now() - started) / 1000; }
  }, 10);
  let openedIn = 0;
  function open() {
    const socket = require('net').connect({ host, port });
    let text = '';
    socket.setTimeout(20000, () => socket.destroy(new Error('timeout')));
    socket.setEncoding('utf8').on('data', (chunk) => text += chunk);
    socket.on('error', (error) => text = 'error ' + (error.code ?? error.message));
    socket.on('close', () => {
      answers[text] = (answers[text] ?? 0) + 1;
      if (++ended === total) console.log(JSON.stringify({ answers, openedIn, late }));
    });
    socket.end('0\\n');
  }`;

interface Outcome {
  readonly answers: Readonly<Record<string, number>>;
  readonly openedIn: number;
  readonly late: number;
}

function open(pod: Pod, host: string, port: number): Promise<Outcome> {
  const words = ['-e', opener, host, String(port), String(perSecond), String(seconds)];
  const child = spawn('ip', ['netns', 'exec', pod.namespace, process.execPath, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  return new Promise((resolve) => child.once('close', () => resolve(JSON.parse(text) as Outcome)));
}

const skip = netnsUnavailableReason();
t.test('a rate of connections', { skip: skip ?? false }, async (t) => {
  const pods = new TrafficPods();
  t.teardown(() => pods.close());
  await pods.start();
  await pods.startProxy('REDIRECT');
  const applied = pods.run([
    '-p',
    '15001',
    '-z',
    '15006',
    '-u',
    '1337',
    '-i',
    '*',
    '-b',
    '*',
    '--dual-stack',
  ]);
  t.equal(applied.status, 0, applied.stderr);
  for (const family of ['IPv4', 'IPv6'] as const) {
    const a = addresses[family];
    for (const [what, pod, host, port, expected] of [
      ['out of the pod', pods.shop, a.outside, 9090, `15001 ${a.outside}:9090 from ${a.shop}`],
      ['into the pod', pods.outside, a.shop, 8080, `15006 ${a.shop}:8080 from ${a.outside}`],
    ] as const) {
      const { answers, openedIn, late } = await open(pod, host, port);
      t.strictSame(
        answers,
        { [expected]: perSecond * seconds },
        `${what} (${family}), all of ${perSecond * seconds} with their destination`,
      );
      t.comment(
        `${what} (${family}): opened in ${openedIn.toFixed(1)} s, ${Math.round((perSecond * seconds) / openedIn)}/s; ${late} times more than 0.2 s behind`,
      );
    }
  }
});
if (skip !== undefined) t.comment(`SKIPPED, root only: a rate of connections (${skip})`);
