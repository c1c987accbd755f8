// DNS capture: questions to the pod's resolvers go to the agent, over UDP and TCP. [m] Istio contract: istio-iptables.
import type { DnsCapture, Family, IptablesOptions } from './options.ts';
import { Chain } from './plan-builder.ts';
import type { PlanBuilder } from './plan-builder.ts';

/** Where the agent's DNS proxy listens, on both protocols; Istio knows no option for it. */
export const agentDnsPort = '15053';

/**
 * UDP has no connections, so conntrack would take the agent's own question to a resolver and the application's redirected one
 * for the same flow where their ports meet. Two zones keep them apart: 1 is agent ↔ resolver, 2 is application ↔ agent.
 */
export function planDnsCapture(
  plan: PlanBuilder,
  options: IptablesOptions,
  dns: DnsCapture,
  family: Family,
): void {
  /** Matches of the captured destinations; one that says nothing where all are. */
  const servers = dns.all ? [''] : dns.servers[family].map((cidr) => ` -d ${cidr}`);
  const raw = (chain: string, text: string, why: string): void =>
    plan.append(chain, text, why, 'raw');
  raw('OUTPUT', `-j ${Chain.outputDns}`, 'DNS questions get conntrack zones of their own');
  if (servers.length > 0)
    plan.append(Chain.output, `-j ${Chain.outputDns}`, 'DNS questions are looked for');
  for (const [protocol, spelling] of [
    ['tcp', '--to-ports'],
    ['udp', '--to-port'],
  ] as const) {
    for (const server of servers) {
      const whose = dns.all ? 'every resolver' : `resolver${server.replace(' -d', '')}`;
      plan.append(
        Chain.outputDns,
        `-p ${protocol} --dport 53${server} -j REDIRECT ${spelling} ${agentDnsPort}`,
        `DNS questions to ${whose} are answered by the agent on ${agentDnsPort} (--redirect-dns)`,
      );
    }
  }
  const owners = [
    ...options.proxyUids.map((uid) => `--uid-owner ${uid}`),
    ...options.proxyGids.map((gid) => `--gid-owner ${gid}`),
  ];
  for (const owner of owners) {
    raw(
      Chain.outputDns,
      `-p udp --dport 53 -m owner ${owner} -j CT --zone 1`,
      'the agent asks a resolver',
    );
    raw(
      Chain.outputDns,
      `-p udp --sport ${agentDnsPort} -m owner ${owner} -j CT --zone 2`,
      'the agent answers the application',
    );
  }
  if (servers.length > 0)
    raw('PREROUTING', `-j ${Chain.inbound}`, 'answers of resolvers are looked for');
  for (const server of servers) {
    raw(
      Chain.outputDns,
      `-p udp --dport 53${server} -j CT --zone 2`,
      'the application asks a resolver',
    );
    raw(
      Chain.inbound,
      `-p udp --sport 53${server.replace('-d', '-s')} -j CT --zone 1`,
      'a resolver answers the agent',
    );
  }
}
