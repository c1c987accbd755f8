// @long @timeout 300 s
// [m] The nftables form of the rules in a namespace of its own: in, again, changed, out, and never beside the other form. Root only.
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

function freshPod(t: Test): Pod {
  const network = new PodNetwork(['pod']);
  t.teardown(() => network.close());
  return network.pod('pod');
}

const skip = netnsUnavailableReason();
const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0;
const needsNft = skip ?? (has('nft') ? false : 'there is no nft here');
t.test('applyRules with --native-nftables', { skip: needsNft }, async (t) => {
  const pod = freshPod(t);
  const foreignTable =
    'table inet other {\n chain output {\n type nat hook output priority -100;\n tcp dport 99 return\n }\n}\n';
  pod.run('nft', ['-f', '-'], { input: foreignTable });
  const listed = (): string =>
    pod.run('nft', ['list', 'ruleset']).stdout.replaceAll(/ packets \d+ bytes \d+/g, '');
  const before = listed();
  const native = (...more: readonly string[]): RunResult =>
    applyIn(pod, '--native-nftables', ...more);

  t.match(native().stdout, /# nftables: tables are in place/);
  const applied = listed();
  t.match(applied, /table inet istio-proxy-nat \{\n\tcomment "outrigger [0-9a-f]{16}"/);
  t.match(applied, before.trim(), 'the table of others is as it was');
  t.match(native().stdout, /# nftables: tables were in place already, nothing changed/);
  t.equal(listed(), applied);

  const refused = native('-z', '15007');
  t.equal(refused.status, 1);
  t.match(
    refused.stderr,
    /other tables istio-proxy-\* are in place; use --reconcile.*; nothing was changed/,
  );
  t.equal(native('-z', '15007', '--reconcile').status, 0);
  t.match(listed(), /redirect to :15007/);
  t.equal(native('--force-apply').status, 0);

  pod.run('nft', ['delete', 'table', 'inet', 'istio-proxy-mangle']);
  t.equal(native().status, 1, 'a table is missing');
  t.equal(native('--reconcile').status, 0);
  pod.run('nft', ['add', 'rule', 'inet', 'istio-proxy-nat', 'istio-output', 'return']);
  t.equal(native().status, 1, 'a rule too many');
  t.equal(native('--reconcile').status, 0);

  const other = applyIn(pod);
  t.equal(other.status, 1, 'not both kinds at once');
  t.match(other.stderr, /nftables tables istio-proxy-mangle, istio-proxy-nat are in place/);
  t.match(applyIn(pod, '--reconcile').stdout, /IPv4: rules are in place/);
  t.notMatch(listed(), /istio-proxy/, 'one takes the place of the other');
  t.equal(native().status, 1);
  t.equal(native('--reconcile').status, 0);
  t.notMatch(savedRules(pod, 'nft'), /ISTIO/);

  t.equal(pod.run(launcher, ['--cleanup-only']).status, 0, 'no flag needed');
  t.equal(listed(), before);

  const bounded = pod.run('setpriv', [
    '--bounding-set=-net_admin',
    '--inh-caps=-net_admin',
    launcher,
    ...flags,
    '--native-nftables',
  ]);
  t.equal(bounded.status, 1);
  t.match(bounded.stderr, /NET_ADMIN and NET_RAW.*; nothing was changed/);
});
if (needsNft !== false) t.comment(`SKIPPED, root only: rules applied with nftables (${needsNft})`);
