// @long @timeout 400 s
// [m] --run-validation: probes through each chain, by every kind of rules, and which rule it names where one is gone. Root only.
import { spawn, spawnSync } from 'node:child_process';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Test } from 'tap';
import { PodNetwork, netnsUnavailableReason } from '../support/netns.ts';
import type { Pod, RunOptions, RunResult } from '../support/netns.ts';
import { kernelLacks } from './kernel-features.ts';
import type { Feature } from './kernel-features.ts';

const launcher = fileURLToPath(
  new URL('../../iptables-init/bin/outrigger-iptables', import.meta.url),
);
const flags = '-p 15001 -z 15006 -u 1337 -i * -b * -d 15090,15021,15020 --dual-stack'.split(' ');
const check = ['--skip-rule-apply', '--run-validation'];
/** Where it has to fail, once through is enough. */
const validate = [...check, '--probe-timeout', '3s'];

function podWithRoutes(t: Test): Pod {
  const network = new PodNetwork(['pod']);
  t.teardown(() => network.close());
  const pod = network.pod('pod');
  for (const family of ['-4', '-6']) {
    const added = pod.run('ip', [family, 'route', 'add', 'default', 'dev', 'eth0']);
    if (added.status !== 0) throw new Error(added.stderr);
  }
  return pod;
}

/** The last word of a flag counts, so what has to hold gets time enough for a busy machine. */
const run = (pod: Pod, words: readonly string[], options: RunOptions = {}): RunResult =>
  pod.run(launcher, [...flags, '--probe-timeout', '30s', ...words], {
    timeoutMs: 90_000,
    ...options,
  });

const probes = [
  /IPv4: a connection of the proxy \(uid \d+\) to 127\.0\.0\.6:15002 arrives at port 15006/,
  /IPv4: a connection of the application \(uid 2000\) to 192\.0\.2\.1:15002 arrives at port 15001/,
  /IPv4: a connection from outside the pod to 198\.18\.77\.1:15002 arrives at port 15006/,
  /IPv6: a connection of the proxy \(uid \d+\) to \[::6\]:15002 arrives at port 15006/,
  /IPv6: a connection of the application \(uid 2000\) to \[2001:db8::1\]:15002 arrives at port 15001/,
  /IPv6: a connection from outside the pod to \[2001:2:0:77::1\]:15002 arrives at port 15006/,
];

const skip = netnsUnavailableReason();
const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0;
for (const [kind, words] of [
  ['iptables-nft', ['--force-iptables-binary', 'nft']],
  ['iptables-legacy', ['--force-iptables-binary', 'legacy']],
  ['nftables', ['--native-nftables']],
] as const) {
  const program = kind === 'nftables' ? 'nft' : kind;
  for (const mode of ['REDIRECT', 'TPROXY']) {
    const needed: readonly Feature[] = mode === 'TPROXY' ? ['TPROXY'] : ['REDIRECT'];
    const gap = skip ?? (has(program) ? kernelLacks(kind, needed) : `there is no ${program} here`);
    const why = gap ?? false;
    t.test(`${kind}, ${mode}`, { skip: why }, async (t) => {
      const pod = podWithRoutes(t);
      const ran = run(pod, [...words, '-m', mode, '--run-validation']);
      t.equal(ran.status, 0, ran.stderr);
      for (const probe of probes) t.match(ran.stdout, probe);
      t.notMatch(pod.run('ip', ['link']).stdout, /outriggerprobe/, 'the wire is gone');
    });
    if (why !== false) t.comment(`SKIPPED, root only: validation of ${kind}, ${mode} (${why})`);
  }
}

t.test('what is probed besides', { skip: skip ?? false }, async (t) => {
  await t.test('DNS capture, listed ports, ranges', async (t) => {
    const pod = podWithRoutes(t);
    const dns = run(pod, ['--redirect-dns', '--capture-all-dns', '--run-validation']);
    t.equal(dns.status, 0, dns.stderr);
    t.match(
      dns.stdout,
      /IPv6: a connection of the application \(uid 2000\) for DNS to \[2001:db8::1\]:53 arrives at port 15053/,
    );
    const few = ['-b', '7070', '-i', '10.0.0.0/8', '-q', '4443', '--reconcile', '--run-validation'];
    const ran = run(pod, few);
    t.equal(ran.status, 0, ran.stderr);
    t.match(
      ran.stdout,
      /IPv4: a connection from outside the pod to 198\.18\.77\.1:7070 arrives at port 15006/,
    );
    t.match(
      ran.stdout,
      /IPv6: a connection of the application \(uid 2000\) to \[2001:db8::1\]:4443 arrives at port 15001/,
    );
    const none = pod.run(launcher, ['--reconcile', '--run-validation'], { timeoutMs: 60_000 });
    t.equal(none.status, 0, none.stderr);
    t.notMatch(
      none.stdout,
      /from outside|of the application/,
      'where nothing is captured nothing is probed',
    );
  });

  await t.test('another port', async (t) => {
    const ran = run(podWithRoutes(t), ['--run-validation', '--iptables-probe-port', '16002']);
    t.equal(ran.status, 0, ran.stderr);
    t.match(ran.stdout, /127\.0\.0\.6:16002 arrives/);
  });
});

t.test('what it says', { skip: skip ?? false }, async (t) => {
  await t.test('without any rules', async (t) => {
    const ran = run(podWithRoutes(t), validate);
    t.equal(ran.status, 126);
    t.match(ran.stderr, /IPv6: missing is "ip -6 addr add ::6\/128 dev lo"/);
    t.match(ran.stderr, /IPv4: none of the 18 rules is there/);
    t.match(
      ran.stderr,
      /IPv4: a connection of the proxy \(uid 1337\) to 127\.0\.0\.6:15002 does not arrive at port 15006 \(ECONNREFUSED\)/,
    );
    t.match(ran.stderr, /validation failed: .*the pod is not ready for the mesh.*delete it/);
  });

  await t.test('without one rule, which it names with its purpose', async (t) => {
    const pod = podWithRoutes(t);
    t.equal(run(pod, []).status, 0);
    const lost = (chain: string, words: string): void => {
      t.equal(pod.run('iptables', ['-t', 'nat', '-D', chain, ...words.split(' ')]).status, 0);
    };
    lost('ISTIO_INBOUND', '-p tcp -j ISTIO_IN_REDIRECT');
    const inbound = run(pod, validate);
    t.equal(inbound.status, 126);
    t.match(
      inbound.stderr,
      /IPv4: missing is rule "-t nat -A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT" \(all inbound ports are captured \(-b \*\)\)/,
    );
    t.match(
      inbound.stderr,
      /IPv4: a connection from outside the pod to 198\.18\.77\.1:15002 does not arrive at port 15006 \(ECONNREFUSED\); missing on its way is "-t nat -A ISTIO_INBOUND -p tcp -j/,
    );
    t.notMatch(inbound.stderr, /IPv6:/, 'the other family is whole');
    t.equal(run(pod, ['--reconcile']).status, 0);
    lost('OUTPUT', '-j ISTIO_OUTPUT');
    const outbound = run(pod, validate);
    t.equal(outbound.status, 126);
    t.match(
      outbound.stderr,
      /of the application \(uid 2000\) to 192\.0\.2\.1:15002 does not arrive at port 15001 .*; missing on its way is "-t nat -A OUTPUT -j ISTIO_OUTPUT"/,
    );
  });

  await t.test(
    'as the proxy’s user without any rights, as in the container istio-validation',
    async (t) => {
      const pod = podWithRoutes(t);
      const bare = run(pod, validate, { uid: 1337 });
      t.equal(bare.status, 126);
      t.match(
        bare.stderr,
        /127\.0\.0\.6:15002 does not arrive .*one of the rules on its way is missing or comes too late: "-t nat -A OUTPUT -j ISTIO_OUTPUT"/,
      );
      t.equal(run(pod, []).status, 0);
      const ready = run(pod, check, { uid: 1337 });
      t.equal(ready.status, 0, ready.stderr);
      t.match(ready.stdout, /rules cannot be listed without NET_ADMIN, probes only/);
      t.match(ready.stdout, /127\.0\.0\.6:15002 arrives at port 15006/);
      t.match(
        ready.stdout,
        /was not tried, becoming uid 2000 needs the capabilities SETUID and SETGID/,
      );
      t.match(ready.stdout, /was not tried, making a namespace needs the capability SYS_ADMIN/);
    },
  );

  await t.test('waits for rules that come a little later', async (t) => {
    const pod = podWithRoutes(t);
    const late = sleep(2000).then(() =>
      spawn('ip', ['netns', 'exec', pod.namespace, launcher, ...flags], { stdio: 'ignore' }),
    );
    const child = pod.spawn(
      launcher,
      [...flags, '--skip-rule-apply', '--run-validation', '--probe-timeout', '50s'],
      { uid: 1337 },
    );
    const status = await new Promise((resolve) => child.once('exit', resolve));
    await late;
    t.equal(status, 0);
  });

  await t.test('where the proxy is running already', async (t) => {
    const pod = podWithRoutes(t);
    t.equal(run(pod, []).status, 0);
    const server = pod.spawn(process.execPath, [
      '-e',
      "require('net').createServer(() => {}).listen(15006, '0.0.0.0', () => console.log('ready'))",
    ]);
    await new Promise((resolve) => server.stdout?.once('data', resolve));
    const ran = run(pod, check);
    t.equal(ran.status, 0, 'what iptables lists is enough');
    t.match(
      ran.stdout,
      /IPv4 15006: not probed, port 15006 is taken: is the proxy running already\?/,
    );
  });
});
if (skip !== undefined) t.comment(`SKIPPED, root only: validation (${skip})`);
