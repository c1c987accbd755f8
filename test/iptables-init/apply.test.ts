// @long @timeout 400 s
// [m] Real rules in a namespace of their own: in, again, changed, out, with rules of others untouched, and nothing half done. Root only.
import { spawnSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
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
-A OUTPUT -o eth6 -j RETURN
-A FOREIGN -j RETURN
COMMIT
*mangle
-A OUTPUT -p tcp --dport 98 -j RETURN
-A PREROUTING -i eth7 -j RETURN
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
  // A table of iptables-legacy that was once looked at is listed for ever.
  for (const command of ['iptables', 'ip6tables'])
    pod.run(`${command}-${variant}`, ['-t', 'raw', '-S']);
  const before = savedRules(pod, variant);
  let applied = '';

  t.test('applies the plan, IPv6 and its loopback address too', async (t) => {
    const ran = applyIn(pod);
    t.equal(ran.status, 0, ran.stderr);
    t.match(ran.stdout, /IPv4: rules are in place[\s\S]*IPv6: rules are in place/);
    t.match(ran.stdout, new RegExp(`\\(iptables-${variant}\\)`), 'the kind that has rules already');
    applied = savedRules(pod, variant);
    t.equal(applied.match(/-j ISTIO_REDIRECT/g)?.length, 2);
    t.equal(applied.match(/-j ISTIO_DROP/g)?.length, 2);
    t.match(pod.run('ip', ['-6', 'addr', 'show', 'dev', 'lo']).stdout, /inet6 ::6\/128/);
  });

  t.test('changes nothing the second time', async (t) => {
    const ran = applyIn(pod);
    t.equal(ran.status, 0, ran.stderr);
    t.match(ran.stdout, /(?:IPv[46]: rules were in place already, nothing changed\s*#?\s*){2}/);
    t.equal(savedRules(pod, variant), applied);
  });

  t.test('adds the address that somebody took away', async (t) => {
    pod.run('ip', ['-6', 'addr', 'del', '::6/128', 'dev', 'lo']);
    t.match(applyIn(pod).stdout, /IPv6: .*added what was missing: ip -6 addr add ::6\/128 dev lo/);
    t.match(pod.run('ip', ['-6', 'addr', 'show', 'dev', 'lo']).stdout, /inet6 ::6\/128/);
  });

  t.test('refuses to change other rules unless asked, and says what differs', async (t) => {
    const ran = applyIn(pod, '-z', '15007');
    t.equal(ran.status, 1);
    t.match(ran.stderr, /other ISTIO_\* rules are in place; use --reconcile/);
    t.match(
      ran.stderr,
      /1 missing, such as "-t nat -A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15007"/,
    );
    t.match(
      ran.stderr,
      /1 not expected, such as "-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006"/,
    );
    t.equal(savedRules(pod, variant), applied);
  });

  t.test('replaces them when asked, and back', async (t) => {
    t.equal(applyIn(pod, '-z', '15007', '--reconcile').status, 0);
    t.equal(savedRules(pod, variant), applied.replaceAll('--to-ports 15006', '--to-ports 15007'));
    t.equal(applyIn(pod, '--force-apply').status, 0);
    t.equal(savedRules(pod, variant), applied);
  });

  t.test('notices what was changed by hand, an order too', async (t) => {
    const command = `iptables-${variant}`;
    for (const [words, missing] of [
      [
        [['-D', 'ISTIO_OUTPUT', '-d', '127.0.0.1/32', '-j', 'RETURN']],
        /-d 127\.0\.0\.1\/32 -j RETURN" \(localhost stays as it is\)/,
      ],
      [
        [
          ['-D', 'ISTIO_OUTPUT', '-j', 'ISTIO_REDIRECT'],
          ['-I', 'ISTIO_OUTPUT', '1', '-j', 'ISTIO_REDIRECT'],
        ],
        /missing, such as .*-A ISTIO_OUTPUT -j ISTIO_REDIRECT"/,
      ],
      [
        [['-A', 'OUTPUT', '-p', 'tcp', '-j', 'ISTIO_OUTPUT']],
        /1 not expected, such as "-A OUTPUT -p tcp -j ISTIO_OUTPUT"/,
      ],
    ] as const) {
      for (const line of words) t.equal(pod.run(command, ['-t', 'nat', ...line]).status, 0);
      const refused = applyIn(pod);
      t.equal(refused.status, 1);
      t.match(refused.stderr, missing);
      const repaired = applyIn(pod, '--reconcile');
      t.equal(repaired.status, 0, repaired.stderr);
      t.equal(savedRules(pod, variant), applied);
    }
  });

  t.test('touches nothing in a dry run', async (t) => {
    const ran = applyIn(pod, '-z', '15007', '--dry-run');
    t.equal(ran.status, 0);
    t.match(ran.stdout, /--to-ports 15007/);
    t.equal(applyIn(pod, '-z', '15007', '--skip-rule-apply').status, 0);
    const removal = applyIn(pod, '--cleanup-only', '--dry-run');
    t.match(removal.stdout, /-D OUTPUT -j ISTIO_OUTPUT[\s\S]*-X ISTIO_OUTPUT/);
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

  t.test('takes away TPROXY and DNS capture without being told of them', async (t) => {
    const more = ['-m', 'TPROXY', '--redirect-dns', '--capture-all-dns'];
    t.equal(applyIn(pod, ...more).status, 0);
    t.match(pod.run('ip', ['rule']).stdout, /fwmark 0x539 lookup 133/);
    const ran = pod.run(launcher, ['--cleanup-only', '-c', 'eth7']);
    t.equal(ran.status, 0, ran.stderr);
    t.equal(savedRules(pod, variant), before);
    for (const family of ['-4', '-6']) {
      t.notMatch(pod.run('ip', [family, 'rule']).stdout, /133/);
      t.equal(pod.run('ip', [family, 'route', 'show', 'table', '133']).stdout, '');
    }
  });

  t.test('goes from one mode to the other and back', async (t) => {
    for (const mode of ['TPROXY', 'REDIRECT']) {
      t.equal(applyIn(pod, '-m', mode, '--reconcile').status, 0);
      t.match(
        applyIn(pod, '-m', mode).stdout,
        /IPv6: rules were in place already, nothing changed/,
      );
    }
    t.equal(savedRules(pod, variant), applied, 'no mark of TPROXY is left');
    t.notMatch(pod.run('ip', ['rule']).stdout, /133/, 'and no route');
    t.equal(applyIn(pod, '--cleanup-only').status, 0);
    t.equal(savedRules(pod, variant), before);
  });

  t.test('leaves nothing behind where a rule is refused', async (t) => {
    const env = { ISTIO_OUTBOUND_OWNER_GROUPS: 'no-such-group-at-all' };
    const ran = pod.run(launcher, flags, { env });
    t.equal(ran.status, 1);
    t.match(ran.stderr, /iptables.*-restore --noflush .*no-such-group.*; nothing was changed\n$/);
    t.equal(savedRules(pod, variant), before);
  });

  t.test('takes IPv4 back where IPv6 fails', async (t) => {
    const set = (name: string, value: string): number | undefined =>
      pod.run('sysctl', ['-qw', `net.ipv6.conf.${name}.disable_ipv6=${value}`]).status;
    t.equal(set('lo', '1'), 0);
    const fresh = applyIn(pod);
    t.equal(fresh.status, 1);
    t.match(
      fresh.stderr,
      /ip -6 addr add ::6\/128 dev lo: .*IPv6 is off.*; nothing was changed\n$/,
    );
    t.equal(savedRules(pod, variant), before);
    set('lo', '0');
    t.equal(applyIn(pod).status, 0);
    set('lo', '1');
    const changed = applyIn(pod, '-z', '15007', '--reconcile');
    t.equal(changed.status, 1);
    t.match(changed.stderr, /nothing was changed/);
    t.equal(savedRules(pod, variant), applied, 'the old rules are back, in their order');
    set('lo', '0');
    t.equal(applyIn(pod, '--cleanup-only').status, 0);
    t.equal(savedRules(pod, variant), before);
  });

  t.test('says what is missing to somebody without rights', async (t) => {
    const bounded = ['--bounding-set=-net_admin', '--inh-caps=-net_admin'];
    for (const ran of [
      pod.run(launcher, flags, { uid: 1000 }),
      pod.run('setpriv', [...bounded, launcher, ...flags]),
      pod.run('setpriv', [...bounded, launcher, '--cleanup-only']),
    ]) {
      t.equal(ran.status, 1);
      t.match(
        ran.stderr,
        /run as root, or with the capabilities NET_ADMIN and NET_RAW.*; nothing was changed/,
      );
    }
    t.equal(savedRules(pod, variant), before);
  });

  t.test('says which extension iptables lacks', async (t) => {
    // This kernel may have all modules built in, so what is taken away is iptables' half of the owner match.
    const own = spawnSync(
      'sh',
      ['-c', 'dirname "$(find /usr/lib /lib -name libxt_owner.so | head -n 1)"'],
      { encoding: 'utf8' },
    ).stdout.trim();
    const folder = t.testdir({ xtables: {} });
    cpSync(own, join(folder, 'xtables'), { recursive: true });
    rmSync(join(folder, 'xtables/libxt_owner.so'));
    const ran = pod.run(launcher, flags, { env: { XTABLES_LIBDIR: join(folder, 'xtables') } });
    t.equal(ran.status, 1);
    t.match(
      ran.stderr,
      /Couldn't load match `owner'.*the line is ".*owner.*modprobe xt_owner on the node.*; nothing was changed/,
    );
    t.equal(savedRules(pod, variant), before);
  });

  t.test('needs nothing of /proc but to read it', async (t) => {
    const readOnly =
      'mount -o bind,remount,ro /proc && ! sh -c "echo 1 > /proc/sys/net/ipv4/ip_forward" 2> /dev/null && exec "$0" "$@"';
    const inThere = (...more: readonly string[]): RunResult =>
      pod.run('unshare', ['--mount', 'sh', '-c', readOnly, launcher, ...flags, ...more]);
    const ran = inThere();
    t.equal(ran.status, 0, ran.stderr);
    t.equal(savedRules(pod, variant), applied);
    t.equal(inThere('--cleanup-only').status, 0);
    t.equal(savedRules(pod, variant), before);
  });

  t.test('works in a namespace named from outside, with the node’s files', async (t) => {
    const file = `/run/netns/${pod.namespace}`;
    const outside = (...more: readonly string[]): RunResult =>
      toRunResult(
        spawnSync(launcher, [...flags, `--network-namespace=${file}`, ...more], {
          encoding: 'utf8',
        }),
      );
    const ran = outside();
    t.equal(ran.status, 0, ran.stderr);
    t.equal(savedRules(pod, variant), applied);
    t.match(outside('--cni-mode').stdout, /IPv6: rules were in place already, nothing changed/);
    t.equal(outside('--cni-mode', '--cleanup-only').status, 0);
    t.equal(savedRules(pod, variant), before);
    for (const [path, message] of [
      ['/run/netns/none-such', /there is no \/run\/netns\/none-such; name the file of a namespace/],
      [fileURLToPath(import.meta.url), /nsenter: .*Invalid argument/],
    ] as const) {
      const refused = toRunResult(
        spawnSync(launcher, ['--network-namespace', path], { encoding: 'utf8' }),
      );
      t.equal(refused.status, 1);
      t.match(refused.stderr, message);
    }
  });
}

function toRunResult({
  status,
  stdout,
  stderr,
}: {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}): RunResult {
  return { status: status ?? undefined, stdout, stderr };
}

const skip = netnsUnavailableReason();
const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0;
for (const variant of ['nft', 'legacy']) {
  const why =
    skip ?? (has(`iptables-${variant}-save`) ? false : `there is no iptables-${variant} here`);
  t.test(`applyRules with iptables-${variant}`, { skip: why }, async (t) => suite(t, variant));
  if (why !== false)
    t.comment(`SKIPPED, root only: rules applied with iptables-${variant} (${why})`);
}

t.comment(
  'SKIPPED: a kernel that lacks a module; what iptables says then is put to the test in run-command.test.ts',
);
