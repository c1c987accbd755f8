// The rules of one address family as plain data: options in, rules out, nothing touched. [m] Istio contract: istio-iptables.
import { planDnsCapture } from './dns-rules.ts';
import type { Family, IptablesOptions } from './options.ts';
import { Chain, PlanBuilder, loopbackCidr, passthroughSource } from './plan-builder.ts';
import type { Rule } from './plan-builder.ts';
import { planTproxyInbound, planTproxyMarks } from './tproxy-rules.ts';

/** The order is Istio's, rule by rule; goldens in test/golden/iptables hold it. */
export function planRules(options: IptablesOptions, family: Family): readonly Rule[] {
  const plan = new PlanBuilder();
  skipInterfaces(plan, options);
  if (options.dropInvalid) dropInvalid(plan);
  redirectChains(plan, options);
  captureInbound(plan, options, family);
  plan.append('OUTPUT', `-j ${Chain.output}`, 'all that the pod sends is looked at');
  skipOutboundPorts(plan, options);
  plan.append(
    Chain.output,
    `-o lo -s ${passthroughSource[family]} -j RETURN`,
    'the proxy hands inbound traffic on to the application from this address',
  );
  for (const uid of options.proxyUids) skipProxyOwner(plan, options, family, ['uid', uid]);
  for (const gid of options.proxyGids) skipProxyOwner(plan, options, family, ['gid', gid]);
  filterOwnerGroups(plan, options);
  if (options.dns !== undefined) planDnsCapture(plan, options, options.dns, family);
  plan.append(
    Chain.output,
    `-d ${loopbackCidr(options, family)} -j RETURN`,
    'localhost stays as it is',
  );
  for (const cidr of options.outboundCidrsExclude[family]) {
    plan.append(Chain.output, `-d ${cidr} -j RETURN`, `${cidr} is an excluded outbound range (-x)`);
  }
  for (const port of options.outboundPortsInclude) {
    const why = `outbound port ${port} is captured whatever the address (-q)`;
    plan.append(Chain.output, `-p tcp --dport ${port} -j ${Chain.redirect}`, why);
  }
  captureOutbound(plan, options, family);
  if (options.interceptionMode === 'TPROXY') planTproxyMarks(plan, options, family);
  return plan.rules;
}

function skipInterfaces(plan: PlanBuilder, options: IptablesOptions): void {
  const tables =
    options.interceptionMode === 'TPROXY' ? (['nat', 'mangle'] as const) : (['nat'] as const);
  for (const table of tables) {
    for (const name of options.excludeInterfaces) {
      const why = `interface ${name} is excluded (-c)`;
      plan.append('PREROUTING', `-i ${name} -j RETURN`, why, table);
      plan.append('OUTPUT', `-o ${name} -j RETURN`, why, table);
    }
  }
  for (const name of options.kubeVirtInterfaces) {
    const why = `${name} leads to a virtual machine, whose traffic is not inbound (-k)`;
    plan.insert('nat', ['PREROUTING', 1], `-i ${name} -j RETURN`, why);
  }
}

function dropInvalid(plan: PlanBuilder): void {
  const why = 'packets that conntrack calls INVALID are dropped (--drop-invalid)';
  plan.append('PREROUTING', `-m conntrack --ctstate INVALID -j ${Chain.drop}`, why, 'mangle');
  plan.append(Chain.drop, '-j DROP', why, 'mangle');
}

/** These stand even where nothing is captured: other rules and other tools may count on the chains. */
function redirectChains(plan: PlanBuilder, options: IptablesOptions): void {
  const { inboundTunnelPort: tunnel, inboundCapturePort: inbound, proxyPort: outbound } = options;
  const why = `port ${tunnel} is the tunnel port, which the proxy serves itself (-e)`;
  plan.append(Chain.inbound, `-p tcp --dport ${tunnel} -j RETURN`, why);
  plan.append(
    Chain.redirect,
    redirectTo(outbound),
    `${outbound} is the proxy’s outbound port (-p)`,
  );
  plan.append(Chain.inRedirect, redirectTo(inbound), `${inbound} is the proxy’s inbound port (-z)`);
}

function redirectTo(port: string): string {
  return `-p tcp -j REDIRECT --to-ports ${port}`;
}

function captureInbound(plan: PlanBuilder, options: IptablesOptions, family: Family): void {
  const include = options.inboundPortsInclude;
  if (include !== '*' && include.length === 0) return;
  if (options.interceptionMode === 'TPROXY') {
    planTproxyInbound(plan, options, family);
    return;
  }
  plan.append('PREROUTING', `-p tcp -j ${Chain.inbound}`, 'all that comes in is looked at');
  if (include !== '*') {
    for (const port of include) {
      const why = `inbound port ${port} is captured (-b)`;
      plan.append(Chain.inbound, `-p tcp --dport ${port} -j ${Chain.inRedirect}`, why);
    }
    return;
  }
  for (const port of options.inboundPortsExclude) {
    const why = `inbound port ${port} is excluded (-d)`;
    plan.append(Chain.inbound, `-p tcp --dport ${port} -j RETURN`, why);
  }
  plan.append(
    Chain.inbound,
    `-p tcp -j ${Chain.inRedirect}`,
    'all inbound ports are captured (-b *)',
  );
}

function skipOutboundPorts(plan: PlanBuilder, options: IptablesOptions): void {
  for (const port of options.outboundPortsExclude) {
    const why = `outbound port ${port} is excluded (-o)`;
    plan.append(Chain.output, `-p tcp --dport ${port} -j RETURN`, why);
    plan.append(Chain.output, `-p udp --dport ${port} -j RETURN`, why);
  }
}

/**
 * Three rules per user or group of the proxy: its calls to the pod's own address go through the inbound side,
 * loopback traffic of everybody else is left alone, and what it sends elsewhere is never captured again.
 */
function skipProxyOwner(
  plan: PlanBuilder,
  options: IptablesOptions,
  family: Family,
  [kind, id]: readonly [kind: 'uid' | 'gid', id: string],
): void {
  const owner = `--${kind}-owner ${id}`;
  const capturesDns = options.dns !== undefined;
  // A resolver inside the pod: the agent's own questions to it must not pass through the inbound side. Istio has this
  // exception for users only, and so have we.
  const ports =
    capturesDns && kind === 'uid'
      ? `-m multiport ! --dports 53,${options.inboundTunnelPort}`
      : `! --dport ${options.inboundTunnelPort}`;
  plan.append(
    Chain.output,
    `-o lo ! -d ${loopbackCidr(options, family)} -p tcp ${ports} -m owner ${owner} -j ${Chain.inRedirect}`,
    `the proxy (${kind} ${id}) calls the pod’s own address, which the proxy’s inbound side serves`,
  );
  if (!options.capturesLoopback) {
    plan.append(
      Chain.output,
      `-o lo ${capturesDns ? '-p tcp ! --dport 53 ' : ''}-m owner ! ${owner} -j RETURN`,
      `containers of the pod may talk to each other over loopback (${kind} is not ${id})`,
    );
  }
  const why = `traffic of the proxy itself (${kind} ${id}) is never captured again`;
  plan.append(Chain.output, `-m owner ${owner} -j RETURN`, why);
}

function filterOwnerGroups(plan: PlanBuilder, options: IptablesOptions): void {
  if (options.ownerGroupsInclude === '*') {
    for (const group of options.ownerGroupsExclude) {
      const why = `group ${group} is excluded (ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE)`;
      plan.append(Chain.output, `-m owner --gid-owner ${group} -j RETURN`, why);
    }
    return;
  }
  // One rule for all: traffic is let go only where its group is none of those named.
  const noneOf = options.ownerGroupsInclude.map((group) => `-m owner ! --gid-owner ${group}`);
  const groups = options.ownerGroupsInclude.join(', ');
  const why = `only groups ${groups} are captured (ISTIO_OUTBOUND_OWNER_GROUPS)`;
  plan.append(Chain.output, `${noneOf.join(' ')} -j RETURN`, why);
}

function captureOutbound(plan: PlanBuilder, options: IptablesOptions, family: Family): void {
  if (options.outboundCidrsInclude === '*') {
    plan.append(Chain.output, `-j ${Chain.redirect}`, 'all outbound traffic is captured (-i *)');
    for (const name of options.kubeVirtInterfaces) {
      const why = `all that the virtual machine behind ${name} sends is captured (-k, -i *)`;
      plan.insert('nat', ['PREROUTING', 1], `-i ${name} -j ${Chain.redirect}`, why);
    }
    return;
  }
  for (const cidr of options.outboundCidrsInclude[family]) {
    const why = `${cidr} is a captured outbound range (-i)`;
    for (const name of options.kubeVirtInterfaces) {
      plan.insert(
        'nat',
        ['PREROUTING', 1],
        `-i ${name} -d ${cidr} -j ${Chain.redirect}`,
        `${why}, ${name} leads to a virtual machine (-k)`,
      );
    }
    plan.append(Chain.output, `-d ${cidr} -j ${Chain.redirect}`, why);
  }
}
