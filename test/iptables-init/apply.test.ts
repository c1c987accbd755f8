// [m] Real rules in a namespace of their own: in, again, changed, out, with rules of others untouched. Root only.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Test } from 'tap';
import { PodNetwork, netnsUnavailableReason } from '../support/netns.ts';
import type { Pod, RunResult } from '../support/netns.ts';

const launcher = fileURLToPath(
  new URL('../../iptables-init/bin/outrigger-iptables', import.meta.url),
);
const injected = '-p 15001 -z 15006 -u 1337 -m REDIRECT -i * -b * -d 15090,15021,15020'.split(' ');
const flags = [...injected, '-c', 'eth7', '--drop-invalid', '--dual-stack'];

/** Rules of somebody else, some of which look a little like ours. */
const foreign = `*nat
-N FOREIGN
-N ISTIO_PRERT
-A PREROUTING -j ISTIO_PRERT
-A OUTPUT -p tcp --dport 99 -m comment --comment "see -j ISTIO_OUTPUT" -j FOREIGN
-A FOREIGN -j RETURN
COMMIT
*mangle
-A OUTPUT -p tcp --dport 98 -j RETURN
COMMIT
`;

function applyIn(pod: Pod, ...more: readonly string[]): RunResult {
  return pod.run(launcher, [...flags, ...more]);
}

/** Both families without time stamps and counters. */
function savedRules(pod: Pod, variant: string): string {
  return ['iptables', 'ip6tables']
    .map((command) => pod.run(`${command}-${variant}-save`, []).stdout)
    .join('')
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/ \[\d+:\d+\]$/gm, '');
}

function suite(t: Test, variant: string): void {
  const network = new PodNetwork(['pod']);
  t.teardown(() => network.close());
  const pod = network.pod('pod');
  for (const command of ['iptables', 'ip6tables']) {
    const made = pod.run(`${command}-${variant}-restore`, ['--noflush'], { input: foreign });
    if (made.status !== 0) throw new Error(made.stderr);
  }
  const before = savedRules(pod, variant);
  let applied = '';

  t.test('applies the plan, IPv6 and its loopback address too', async (t) => {
    const ran = applyIn(pod);
    t.equal(ran.status, 0, ran.stderr);
    t.match(ran.stdout, /IPv4: rules are in place[\s\S]*IPv6: rules are in place/);
    applied = savedRules(pod, variant);
    t.equal(applied.match(/-j ISTIO_REDIRECT/g)?.length, 2);
    t.equal(applied.match(/-j ISTIO_DROP/g)?.length, 2);
    t.match(pod.run('ip', ['-6', 'addr', 'show', 'dev', 'lo']).stdout, /inet6 ::6\/128/);
  });

  t.test('changes nothing the second time', async (t) => {
    const ran = applyIn(pod);
    t.equal(ran.status, 0, ran.stderr);
    t.match(
      ran.stdout,
      /IPv4: rules were in place already[\s\S]*IPv6: rules were in place already/,
    );
    t.equal(savedRules(pod, variant), applied);
  });

  t.test('refuses to change other rules unless asked', async (t) => {
    const ran = applyIn(pod, '-z', '15007');
    t.equal(ran.status, 1);
    t.match(ran.stderr, /other ISTIO_\* rules are in place; use --reconcile/);
    t.equal(savedRules(pod, variant), applied);
  });

  t.test('replaces them when asked, and back', async (t) => {
    t.equal(applyIn(pod, '-z', '15007', '--reconcile').status, 0);
    t.equal(savedRules(pod, variant), applied.replaceAll('--to-ports 15006', '--to-ports 15007'));
    t.equal(applyIn(pod, '--force-apply').status, 0);
    t.equal(savedRules(pod, variant), applied);
  });

  t.test('touches nothing in a dry run', async (t) => {
    const ran = applyIn(pod, '-z', '15007', '--dry-run');
    t.equal(ran.status, 0);
    t.match(ran.stdout, /--to-ports 15007/);
    t.equal(applyIn(pod, '-z', '15007', '--skip-rule-apply').status, 0);
    t.equal(savedRules(pod, variant), applied);
  });

  t.test('leaves only the rules of others after a clean-up', async (t) => {
    for (const expected of [/IPv4: rules are removed/, /IPv4: there were no rules/]) {
      const ran = applyIn(pod, '--cleanup');
      t.equal(ran.status, 0, ran.stderr);
      t.match(ran.stdout, expected);
      t.equal(savedRules(pod, variant), before);
    }
    t.notMatch(pod.run('ip', ['-6', 'addr', 'show', 'dev', 'lo']).stdout, /::6/);
  });

  t.test('leaves nothing behind where a table refuses its rules', async (t) => {
    // No such group here: nat refuses after mangle has been committed.
    const env = { ISTIO_OUTBOUND_OWNER_GROUPS: 'no-such-group-at-all' };
    const ran = pod.run(launcher, flags, { env });
    t.equal(ran.status, 1);
    t.match(ran.stderr, /iptables.*-restore --noflush .*no-such-group.*; nothing was changed\n$/);
    t.equal(savedRules(pod, variant), before);
  });

  t.test('says what is missing to somebody without rights', async (t) => {
    const ran = pod.run(launcher, flags, { uid: 1000 });
    t.equal(ran.status, 1);
    t.match(ran.stderr, /run as root, or with the capabilities/);
  });
}

const skip = netnsUnavailableReason();
for (const variant of ['nft', 'legacy']) {
  const there = spawnSync(`iptables-${variant}-save`, ['--version']).status === 0;
  const why = skip ?? (there ? false : `there is no iptables-${variant} here`);
  t.test(`applyRules with iptables-${variant}`, { skip: why }, async (t) => suite(t, variant));
  if (why !== false)
    t.comment(`SKIPPED, root only: rules applied with iptables-${variant} (${why})`);
}
