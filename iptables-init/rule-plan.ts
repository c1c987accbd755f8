// The redirect rules of one address family as plain data: options in, rules out, nothing touched. [m] Istio contract: istio-iptables.
import type { Family, IptablesOptions } from './options.ts';

export type Table = 'mangle' | 'nat';

/** One rule of the plan, in the order in which it has to be given to iptables. */
export interface Rule {
  readonly table: Table;
  readonly chain: string;
  /** 1-based place of an insertion (`-I`); undefined appends (`-A`). */
  readonly position: number | undefined;
  /** Matches and target, one word each. */
  readonly words: readonly string[];
}

export const Chain = {
  inbound: 'ISTIO_INBOUND',
  inRedirect: 'ISTIO_IN_REDIRECT',
  output: 'ISTIO_OUTPUT',
  redirect: 'ISTIO_REDIRECT',
  drop: 'ISTIO_DROP',
} as const;

/**
 * Every chain that Istio's set-up may have made in a pod, also by modes that we do not write ourselves: clean-up
 * removes these and no other, so that chains of other tools (also `ISTIO_PRERT` of ambient mode) stay.
 */
export const ownedChains: ReadonlySet<string> = new Set([
  ...Object.values(Chain),
  'ISTIO_DIVERT',
  'ISTIO_TPROXY',
  'ISTIO_OUTPUT_DNS',
]);

/** The source address that inbound clusters bind, so that their traffic to the application is not captured again. */
export const passthroughSource = { IPv4: '127.0.0.6/32', IPv6: '::6/128' } as const;

/** The plan for one family. The order is Istio's, rule by rule; goldens in test/golden/iptables hold it. */
export function planRules(options: IptablesOptions, family: Family): readonly Rule[] {
  const plan = new Plan();
  skipInterfaces(plan, options);
  if (options.dropInvalid) dropInvalid(plan);
  redirectChains(plan, options);
  captureInbound(plan, options);
  plan.append('OUTPUT', ['-j', Chain.output]);
  skipOutboundPorts(plan, options);
  plan.append(Chain.output, ['-o', 'lo', '-s', passthroughSource[family], '-j', 'RETURN']);
  for (const uid of options.proxyUids) skipProxyOwner(plan, options, family, ['--uid-owner', uid]);
  for (const gid of options.proxyGids) skipProxyOwner(plan, options, family, ['--gid-owner', gid]);
  filterOwnerGroups(plan, options);
  plan.append(Chain.output, ['-d', loopback(options, family), '-j', 'RETURN']);
  for (const cidr of options.outboundCidrsExclude[family]) {
    plan.append(Chain.output, ['-d', cidr, '-j', 'RETURN']);
  }
  for (const port of options.outboundPortsInclude) {
    plan.append(Chain.output, ['-p', 'tcp', '--dport', port, '-j', Chain.redirect]);
  }
  captureOutbound(plan, options, family);
  return plan.rules;
}

class Plan {
  readonly rules: Rule[] = [];

  append(chain: string, words: readonly string[], table: Table = 'nat'): void {
    this.rules.push({ table, chain, position: undefined, words });
  }

  insertFirst(chain: string, words: readonly string[]): void {
    this.rules.push({ table: 'nat', chain, position: 1, words });
  }
}

function skipInterfaces(plan: Plan, options: IptablesOptions): void {
  for (const name of options.excludeInterfaces) {
    plan.append('PREROUTING', ['-i', name, '-j', 'RETURN']);
    plan.append('OUTPUT', ['-o', name, '-j', 'RETURN']);
  }
  for (const name of options.kubeVirtInterfaces) {
    plan.insertFirst('PREROUTING', ['-i', name, '-j', 'RETURN']);
  }
}

function dropInvalid(plan: Plan): void {
  const invalid = ['-m', 'conntrack', '--ctstate', 'INVALID', '-j', Chain.drop];
  plan.append('PREROUTING', invalid, 'mangle');
  plan.append(Chain.drop, ['-j', 'DROP'], 'mangle');
}

/** These stand even where nothing is captured: other rules and other tools may count on the chains. */
function redirectChains(plan: Plan, options: IptablesOptions): void {
  plan.append(Chain.inbound, ['-p', 'tcp', '--dport', options.inboundTunnelPort, '-j', 'RETURN']);
  plan.append(Chain.redirect, redirectTo(options.proxyPort));
  plan.append(Chain.inRedirect, redirectTo(options.inboundCapturePort));
}

function redirectTo(port: string): readonly string[] {
  return ['-p', 'tcp', '-j', 'REDIRECT', '--to-ports', port];
}

function captureInbound(plan: Plan, options: IptablesOptions): void {
  const include = options.inboundPortsInclude;
  if (include !== '*' && include.length === 0) return;
  plan.append('PREROUTING', ['-p', 'tcp', '-j', Chain.inbound]);
  if (include !== '*') {
    for (const port of include) {
      plan.append(Chain.inbound, ['-p', 'tcp', '--dport', port, '-j', Chain.inRedirect]);
    }
    return;
  }
  for (const port of options.inboundPortsExclude) {
    plan.append(Chain.inbound, ['-p', 'tcp', '--dport', port, '-j', 'RETURN']);
  }
  plan.append(Chain.inbound, ['-p', 'tcp', '-j', Chain.inRedirect]);
}

function skipOutboundPorts(plan: Plan, options: IptablesOptions): void {
  for (const port of options.outboundPortsExclude) {
    for (const protocol of ['tcp', 'udp']) {
      plan.append(Chain.output, ['-p', protocol, '--dport', port, '-j', 'RETURN']);
    }
  }
}

/**
 * Three rules per user or group of the proxy: its calls to the pod's own address go through the inbound side,
 * loopback traffic of everybody else is left alone, and what it sends elsewhere is never captured again.
 */
function skipProxyOwner(
  plan: Plan,
  options: IptablesOptions,
  family: Family,
  owner: readonly [flag: string, id: string],
): void {
  const notTunnel = ['-p', 'tcp', '!', '--dport', options.inboundTunnelPort];
  const toOwnAddress = ['-o', 'lo', '!', '-d', loopback(options, family), ...notTunnel];
  plan.append(Chain.output, [...toOwnAddress, '-m', 'owner', ...owner, '-j', Chain.inRedirect]);
  if (!options.capturesLoopback) {
    plan.append(Chain.output, ['-o', 'lo', '-m', 'owner', '!', ...owner, '-j', 'RETURN']);
  }
  plan.append(Chain.output, ['-m', 'owner', ...owner, '-j', 'RETURN']);
}

function filterOwnerGroups(plan: Plan, options: IptablesOptions): void {
  if (options.ownerGroupsInclude === '*') {
    for (const group of options.ownerGroupsExclude) {
      plan.append(Chain.output, ['-m', 'owner', '--gid-owner', group, '-j', 'RETURN']);
    }
    return;
  }
  // One rule for all: traffic is let go only where its group is none of those named.
  const noneOf = options.ownerGroupsInclude.flatMap((g) => ['-m', 'owner', '!', '--gid-owner', g]);
  plan.append(Chain.output, [...noneOf, '-j', 'RETURN']);
}

function captureOutbound(plan: Plan, options: IptablesOptions, family: Family): void {
  if (options.outboundCidrsInclude === '*') {
    plan.append(Chain.output, ['-j', Chain.redirect]);
    for (const name of options.kubeVirtInterfaces) {
      plan.insertFirst('PREROUTING', ['-i', name, '-j', Chain.redirect]);
    }
    return;
  }
  for (const cidr of options.outboundCidrsInclude[family]) {
    for (const name of options.kubeVirtInterfaces) {
      plan.insertFirst('PREROUTING', ['-i', name, '-d', cidr, '-j', Chain.redirect]);
    }
    plan.append(Chain.output, ['-d', cidr, '-j', Chain.redirect]);
  }
}

function loopback(options: IptablesOptions, family: Family): string {
  return family === 'IPv4' ? options.loopbackCidrIPv4 : '::1/128';
}
