// [w] The bytes of socket addresses, and the kernel's real answers behind real REDIRECT rules (root only).
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { originalDestination, parseSocketAddress } from '../../../proxy/network/original-dst.ts';
import { PodNetwork, netnsUnavailableReason } from '../../support/netns.ts';

const ipv4 = (port: string, address: string): string => `0200${port}${address}0000000000000000`;
const ipv6 = (port: string, address: string): string => `0a00${port}00000000${address}00000000`;

const vectors: readonly (readonly [hex: string, address: string, port: number])[] = [
  [ipv4('1f90', '0a4d0001'), '10.77.0.1', 8080],
  [ipv4('ffff', 'ffffffff'), '255.255.255.255', 65535],
  [ipv4('0050', '00000000'), '0.0.0.0', 80],
  [ipv6('1f90', 'fd770000000000000000000000000001'), 'fd77::1', 8080],
  [ipv6('0050', '00000000000000000000000000000000'), '::', 80],
  [ipv6('0050', '00000000000000000000000000000001'), '::1', 80],
  [ipv6('0050', '20010db8000000000000000000000000'), '2001:db8::', 80],
  [ipv6('0050', '20010db8000000010001000100010001'), '2001:db8:0:1:1:1:1:1', 80],
  [ipv6('0050', '20010db8000000000001000000000001'), '2001:db8::1:0:0:1', 80],
  [ipv6('0050', '20010000000000010000000000000001'), '2001:0:0:1::1', 80],
  [ipv6('0050', '00010002000300040005000600070008'), '1:2:3:4:5:6:7:8', 80],
  [ipv6('0050', '00000000000000000000ffff0a4d0001'), '::ffff:10.77.0.1', 80],
];

t.test('parseSocketAddress', async (t) => {
  for (const [hex, address, port] of vectors) {
    t.strictSame(parseSocketAddress(Buffer.from(hex, 'hex')), { address, port }, address);
  }
  t.equal(parseSocketAddress(Buffer.alloc(28)), undefined, 'no family');
  t.equal(parseSocketAddress(Buffer.alloc(4)), undefined, 'too short for any');
  t.equal(parseSocketAddress(Buffer.from(vectors[3]?.[0] ?? '', 'hex').subarray(0, 16)), undefined);
});

t.test('originalDestination', async (t) => {
  await t.test('answers undefined for a closed handle and for no socket', async (t) => {
    t.equal(originalDestination(-1, 'IPv4'), undefined);
    t.equal(originalDestination(2 ** 20, 'IPv6'), undefined);
  });

  await t.test('answers without throwing for a connection that nobody redirected', async (t) => {
    const reasons: string[] = [];
    const answer = await new Promise((resolve) => {
      const server = createServer((socket: Socket & { _handle?: { fd: number } }) => {
        resolve(originalDestination(socket._handle?.fd ?? -1, 'IPv4', (r) => reasons.push(r)));
        socket.destroy();
        server.close();
      }).listen(0, '127.0.0.1', () => {
        connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {});
      });
    });
    // Where conntrack watches loopback, the kernel answers with the address that was dialled, which is true as well.
    t.ok(answer === undefined || (answer as { address: string }).address === '127.0.0.1');
    t.strictSame(reasons, [], 'koffi loads here');
  });

  await t.test('reports once and answers undefined where koffi cannot be loaded', async (t) => {
    // The nearest koffi is a broken one, like that of an image without its native part.
    const folder = mkdtempSync(join(tmpdir(), 'outrigger-no-koffi-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    for (const file of [
      'network/original-dst.ts',
      'network/libc.ts',
      'base/byte-order.ts',
      'base/node-builtins.ts',
    ]) {
      const source = new URL(`../../../proxy/${file}`, import.meta.url);
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      copyFileSync(fileURLToPath(source), join(folder, file));
    }
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    const koffi = join(folder, 'node_modules', 'koffi');
    mkdirSync(koffi, { recursive: true });
    writeFileSync(join(koffi, 'index.js'), `throw new Error('no native part');`);
    const program = `
      import { originalDestination } from ${JSON.stringify(join(folder, 'network/original-dst.ts'))};
      const reasons = [];
      const answers = [1, 2, 3].map((fd) => originalDestination(fd, 'IPv4', (r) => reasons.push(r)));
      process.stdout.write(JSON.stringify({ reasons, known: answers.filter((a) => a !== undefined) }));`;
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      cwd: folder,
    });
    const { reasons, known } = JSON.parse(run.stdout) as { reasons: string[]; known: unknown[] };
    t.strictSame(known, []);
    t.equal(reasons.length, 1);
    t.match(reasons[0], /koffi cannot be loaded.*no native part/);
  });

  const skip = netnsUnavailableReason();
  await t.test('sees through REDIRECT', { skip: skip ?? false }, async (t) => {
    using network = new PodNetwork(['one', 'two']);
    const pod = network.pod('one');
    const two = network.pod('two');
    const redirect = ['-p', 'tcp', '--dport', '80', '-j', 'REDIRECT', '--to-ports', '15001'];
    for (const command of ['iptables', 'ip6tables']) {
      const made = pod.run(command, ['-t', 'nat', '-A', 'OUTPUT', ...redirect]);
      t.equal(made.status, 0, made.stderr);
    }
    const probe = fileURLToPath(new URL('./original-dst-probe.ts', import.meta.url));
    const targets = [two.ipv4, '80', two.ipv6, '80', '127.0.0.1', '80', '::1', '80'];
    const result = pod.run(process.execPath, [probe, '15001', ...targets], { uid: 1337 });
    t.equal(result.status, 0, result.stderr);
    const { answers, microsecondsPerCall } = JSON.parse(result.stdout) as {
      answers: unknown;
      microsecondsPerCall: number;
    };
    t.strictSame(
      answers,
      [two.ipv4, two.ipv6, '127.0.0.1', '::1'].map((address) => ({ address, port: 80 })),
      'IPv4 on a dual-stack socket, IPv6, and both loopbacks',
    );
    t.comment(`originalDestination: ${microsecondsPerCall.toFixed(2)} µs per call`);
  });
  if (skip !== undefined) t.comment(`SKIPPED, root only: sees through REDIRECT (${skip})`);
});
