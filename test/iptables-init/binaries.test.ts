// @long @timeout 300 s
// [m] Which iptables is taken, and how its lock is met. Root only.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Test } from 'tap';
import { PodNetwork, netnsUnavailableReason } from '../support/netns.ts';
import type { Pod, RunOptions } from '../support/netns.ts';

const launcher = fileURLToPath(
  new URL('../../iptables-init/bin/outrigger-iptables', import.meta.url),
);
const injected = '-p 15001 -z 15006 -u 1337 -m REDIRECT -i * -b * -d 15090,15021,15020'.split(' ');

/** Both families without time stamps and counters. */
function savedRules(pod: Pod, variant: string): string {
  return ['iptables', 'ip6tables']
    .map((command) => pod.run(`${command}-${variant}-save`, []).stdout)
    .join('')
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/ \[\d+:\d+\]$/gm, '');
}

function freshPod(t: Test): Pod {
  const network = new PodNetwork(['pod']);
  t.teardown(() => network.close());
  return network.pod('pod');
}

const skip = netnsUnavailableReason();
const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0;
const needsBoth =
  skip ??
  (has('iptables-nft-save') && has('iptables-legacy-save')
    ? false
    : 'needs iptables-nft and iptables-legacy');
t.test('choosing iptables', { skip: needsBoth }, async (t) => {
  const kindIn = (pod: Pod, options: RunOptions = {}, ...more: readonly string[]): string =>
    /IPv4: rules are in place \((\S+)\)/.exec(
      pod.run(launcher, [...injected, ...more], options).stdout,
    )?.[1] ?? 'none';
  await t.test(
    'takes nft where nobody has rules, and leaves no trace of the question',
    async (t) => {
      const pod = freshPod(t);
      t.equal(kindIn(pod), 'iptables-nft');
      t.equal(pod.run(launcher, ['--cleanup-only']).status, 0);
      if (has('nft')) t.equal(savedRules(pod, 'nft'), '', 'not even an empty table');
      else t.comment('SKIPPED: an empty table is left without the program nft');
    },
  );
  await t.test('takes legacy where it has rules, and where it is asked for', async (t) => {
    const pod = freshPod(t);
    pod.run('iptables-legacy', ['-A', 'OUTPUT', '-p', '254', '-j', 'ACCEPT']);
    t.equal(kindIn(pod), 'iptables-legacy');
    t.equal(kindIn(freshPod(t), {}, '--force-iptables-binary', 'legacy'), 'iptables-legacy');
  });
  await t.test('stays with the kind that has ours, whatever others do', async (t) => {
    const pod = freshPod(t);
    t.equal(kindIn(pod), 'iptables-nft');
    pod.run('iptables-legacy', ['-A', 'OUTPUT', '-p', '254', '-j', 'ACCEPT']);
    t.match(pod.run(launcher, injected).stdout, /IPv4: rules were in place already/);
  });
  await t.test('takes plain iptables where there is no other', async (t) => {
    const folder = t.testdir({});
    for (const name of [
      'iptables',
      'iptables-save',
      'iptables-restore',
      'ip6tables',
      'ip6tables-save',
      'ip6tables-restore',
    ]) {
      const real = name.replace('tables', 'tables-legacy');
      writeFileSync(join(folder, name), `#!/bin/sh\nexec /usr/sbin/${real} "$@"\n`, {
        mode: 0o755,
      });
    }
    // Only these and what the launcher needs; the real ones are in /usr/sbin.
    const env = { PATH: `${folder}:/usr/bin:/bin`, OUTRIGGER_NODE: process.execPath };
    const pod = freshPod(t);
    if (
      spawnSync('sh', ['-c', 'command -v iptables-nft-save ip'], { env: { PATH: '/usr/bin:/bin' } })
        .status === 0
    ) {
      t.comment('SKIPPED: iptables-nft is in /usr/bin here, and cannot be hidden');
      return;
    }
    t.equal(kindIn(pod, { env }), 'iptables');
    t.match(savedRules(pod, 'legacy'), /ISTIO_OUTPUT/);
    t.match(pod.run(launcher, injected, { env }).stdout, /IPv4: rules were in place already/);
    t.equal(pod.run(launcher, ['--cleanup-only'], { env }).status, 0);
    t.notMatch(savedRules(pod, 'legacy'), /ISTIO/);
  });
  await t.test('takes legacy where nft does not work', async (t) => {
    const folder = t.testdir({});
    for (const name of [
      'iptables-nft-save',
      'iptables-nft-restore',
      'iptables-nft',
      'iptables-save',
    ]) {
      const said = `${name}: Could not fetch rule set generation id: Protocol not supported`;
      writeFileSync(join(folder, name), `#!/bin/sh\necho '${said}' >&2\nexit 1\n`, { mode: 0o755 });
    }
    const env = { PATH: `${folder}:${process.env['PATH'] ?? ''}` };
    t.equal(
      kindIn(freshPod(t), { env }),
      'iptables-legacy',
      'a stand-in for a kernel without nf_tables',
    );
  });
  await t.test('takes nft in a user namespace, where legacy is refused', async (t) => {
    const user = ['--reuid=1000', '--regid=1000', '--clear-groups'];
    const read = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'];
    const inside = ['unshare', '--user', '--map-root-user', '--net', 'sh', '-c'];
    const laid = '"$0" -b "*" -i "*" -u 0';
    const twice = `${laid} && ${laid} && "$0" --cleanup-only`;
    const ran = spawnSync('setpriv', [...user, ...read, ...inside, twice, launcher], {
      encoding: 'utf8',
    });
    if (ran.status !== 0 && /unshare failed|Operation not permitted/.test(ran.stderr)) {
      t.comment(`SKIPPED: user namespaces are refused here: ${ran.stderr.trim()}`);
      return;
    }
    t.equal(ran.status, 0, ran.stderr);
    t.match(
      ran.stdout,
      /in place \(iptables-nft\)[\s\S]*in place already, nothing changed[\s\S]*IPv4: rules are removed/,
    );
  });
  await t.test('waits for the lock of legacy', async (t) => {
    const pod = freshPod(t);
    const holder = spawn('flock', ['/run/xtables.lock', 'sh', '-c', 'echo held; sleep 2'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await once(holder.stdout, 'data');
    const startedAt = Date.now();
    t.equal(
      kindIn(pod, { timeoutMs: 30_000 }, '--force-iptables-binary', 'legacy'),
      'iptables-legacy',
    );
    t.ok(Date.now() - startedAt >= 1000, 'not before it was free');
  });
  await t.test('uses a lock of the namespace’s own in CNI mode', async (t) => {
    const pod = freshPod(t);
    const holder = spawn('flock', ['/run/xtables.lock', 'sh', '-c', 'echo held; sleep 60'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    });
    await once(holder.stdout, 'data');
    const words = [
      ...injected,
      '--force-iptables-binary',
      'legacy',
      '--cni-mode',
      '--network-namespace',
      `/run/netns/${pod.namespace}`,
    ];
    const ran = spawnSync(launcher, words, { encoding: 'utf8', timeout: 25_000 });
    process.kill(-holder.pid!, 'SIGKILL');
    t.equal(ran.status, 0, ran.stderr);
    t.match(savedRules(pod, 'legacy'), /ISTIO_OUTPUT/);
  });
  await t.test('says what to do where the lock cannot be made', async (t) => {
    const pod = freshPod(t);
    const readOnly = 'mount -t tmpfs -o ro none /run && exec "$0" "$@"';
    const ran = pod.run('unshare', [
      '--mount',
      'sh',
      '-c',
      readOnly,
      launcher,
      ...injected,
      '--force-iptables-binary',
      'legacy',
    ]);
    t.equal(ran.status, 1);
    t.match(
      ran.stderr,
      /Read-only file system.*mount what is named writable.*; nothing was changed/,
    );
    t.notMatch(savedRules(pod, 'legacy'), /ISTIO/);
  });
});

if (needsBoth !== false) t.comment(`SKIPPED, root only: choosing iptables (${needsBoth})`);
