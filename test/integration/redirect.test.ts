// [m] Two pods, the real redirect rules in one: an unmodified client and server are captured both ways, the proxy's user is not looped. Root only.
import type { ChildProcess } from 'node:child_process';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Test } from 'tap';
import { PodNetwork, netnsUnavailableReason } from '../support/netns.ts';
import type { Pod } from '../support/netns.ts';
import { realProxy } from './redirect-proxy.ts';
import type { ProxyCommand } from './redirect-proxy.ts';

const standIn: ProxyCommand = {
  name: 'stand-in',
  command: process.execPath,
  args: [fileURLToPath(new URL('./redirect-stand-in.ts', import.meta.url))],
  isReady: (line) => line === 'ready',
  captureOf: (line) => {
    if (!line.startsWith('{')) return undefined;
    const { port, destination } = JSON.parse(line) as {
      port: number;
      destination?: { address: string; port: number };
    };
    return `${port} ${destination === undefined ? 'unknown' : hostPort(destination.address, destination.port)}`;
  },
};

const launcher = fileURLToPath(
  new URL('../../iptables-init/bin/outrigger-iptables', import.meta.url),
);
const rules = ['-p', '15001', '-z', '15006', '-u', '1337', '-m', 'REDIRECT', '-i', '*', '-x', ''];
const ports = ['-b', '*', '-d', '15090,15021,15020'];
const proxyUid = 1337;
const applicationUid = 1000;

/** Answers every request on every port given with its name and the address it sees as its peer. */
const application = `
  const [name, ...ports] = process.argv.slice(1);
  let open = 0;
  for (const port of ports) require('http').createServer((request, response) => {
    response.setHeader('connection', 'close');
    response.end(name + ' sees ' + request.socket.remoteAddress.replace('::ffff:', ''));
  }).listen(Number(port), '::', () => { if (++open === ports.length) console.log('ready'); });`;

const client = `
  require('http').get(process.argv[1], { agent: false, timeout: 3000 }, (response) => {
    response.setEncoding('utf8').on('data', (text) => process.stdout.write(text));
  }).on('timeout', function () { this.destroy(new Error('timeout')); })
    .on('error', (error) => process.stdout.write('error: ' + error.message));`;

type Case = readonly [
  behaviour: string,
  from: 'shop' | 'outside',
  uid: number,
  to: string,
  answer: string,
  captures: readonly string[],
];

function cases(shop: string, outside: string, local: string, passthrough: string): readonly Case[] {
  const app = hostPort(shop, 8080);
  const server = hostPort(outside, 9090);
  const localhost = hostPort(local, 8080);
  const excluded = hostPort(shop, 15021);
  const uid = applicationUid;
  const shopSees = (peer: string): string => `shop sees ${peer}`;
  const serverAnswer = `outside sees ${shop}`;
  const inbound = [`15006 ${app}`];
  const outbound = [`15001 ${server}`];
  // prettier-ignore
  return [
    ['captures what comes in, and lets the proxy reach the application', 'outside', uid, app, shopSees(passthrough), inbound],
    ['captures what the application sends out, once', 'shop', uid, server, serverAnswer, outbound],
    ['does not loop the proxy’s own traffic to other pods', 'shop', proxyUid, server, serverAnswer, []],
    ['sends the proxy’s traffic to its own pod through the inbound side', 'shop', proxyUid, app, shopSees(passthrough), inbound],
    ['leaves the application’s traffic to its own pod alone', 'shop', uid, app, shopSees(shop), []],
    ['leaves localhost alone', 'shop', uid, localhost, shopSees(local), []],
    ['leaves excluded inbound ports alone', 'outside', uid, excluded, shopSees(outside), []],
  ];
}

function redirectSuite(t: Test, proxy: ProxyCommand): void {
  const network = new PodNetwork(['shop', 'outside']);
  t.teardown(() => network.close());
  const shop = network.pod('shop');
  const outside = network.pod('outside');
  const captures: string[] = [];

  t.before(async () => {
    const applied = shop.run(launcher, [...rules, ...ports, '--dual-stack']);
    if (applied.status !== 0) throw new Error(applied.stderr);
    const options = { uid: proxyUid, ...(proxy.env === undefined ? {} : { env: proxy.env }) };
    const running = shop.spawn(proxy.command, proxy.args, options);
    const node = process.execPath;
    const apps = [
      shop.spawn(node, ['-e', application, 'shop', '8080', '15021'], { uid: applicationUid }),
      outside.spawn(node, ['-e', application, 'outside', '9090'], { uid: applicationUid }),
    ];
    await Promise.all([
      whenReady(running, proxy.isReady, (line) => {
        const capture = proxy.captureOf(line);
        if (capture !== undefined) captures.push(capture);
      }),
      ...apps.map((app) =>
        whenReady(
          app,
          (line) => line === 'ready',
          () => {},
        ),
      ),
    ]);
  });

  const families = [
    ['IPv4', cases(shop.ipv4, outside.ipv4, '127.0.0.1', '127.0.0.6')],
    ['IPv6', cases(shop.ipv6, outside.ipv6, '::1', '::6')],
  ] as const;
  for (const [family, list] of families) {
    for (const [behaviour, from, uid, to, answer, expected] of list) {
      t.test(`${behaviour} (${family})`, async (t) => {
        captures.length = 0;
        t.equal(await get(network.pod(from), `http://${to}/`, uid), answer);
        await linesOf(captures, expected.length);
        t.strictSame(captures, expected);
      });
    }
  }
}

/** Resolves at the ready line; every line, before and after, goes to `onLine`. */
function whenReady(
  child: ChildProcess,
  isReady: (line: string) => boolean,
  onLine: (line: string) => void,
): Promise<void> {
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`exit ${code} before it was ready: ${errors}`)));
    if (child.stdout === null) return reject(new Error('no standard output'));
    createInterface(child.stdout).on('line', (line) => {
      if (isReady(line)) resolve();
      onLine(line);
    });
  });
}

/** Not `run`: the event loop has to turn, so that the proxy's lines are read before the answer is. */
function get(pod: Pod, url: string, uid: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = pod.spawn(process.execPath, ['-e', client, url], { uid });
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    child.stderr?.resume();
    child.on('error', reject);
    child.on('close', () => resolve(text));
  });
}

/** The proxy's lines come through a pipe of their own, so they may be a moment later than the answer. */
async function linesOf(captures: readonly string[], count: number): Promise<void> {
  for (let waitedMs = 0; captures.length < count && waitedMs < 2000; waitedMs += 10) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function hostPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

const skip = netnsUnavailableReason();
t.test('Redirect rules', { skip: skip ?? false }, async (t) => {
  for (const proxy of [standIn, realProxy(t)]) {
    t.test(`before ${proxy.name}`, async (t) => redirectSuite(t, proxy));
  }
});
if (skip !== undefined) t.comment(`SKIPPED, root only: redirect rules between two pods (${skip})`);
