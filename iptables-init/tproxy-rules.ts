// Inbound capture that keeps the client's address: packets are marked and routed to a transparent socket of the proxy. [m] Istio contract: istio-iptables.
import type { Family, IptablesOptions } from './options.ts';
import { Chain, loopbackCidr, passthroughSource } from './plan-builder.ts';
import type { PlanBuilder } from './plan-builder.ts';

/** On what the proxy sends to its own pod, so that the inbound side takes it although it comes in by loopback. */
export const outboundMark = '1338';

const established = '-m conntrack --ctstate RELATED,ESTABLISHED';

/** The caller has made sure that some port is captured. */
export function planTproxyInbound(
  plan: PlanBuilder,
  options: IptablesOptions,
  family: Family,
): void {
  const { tproxyMark: mark, inboundCapturePort: port } = options;
  const append = (chain: string, text: string, why: string): void =>
    plan.append(chain, text, why, 'mangle');
  const toRoute = `packets with mark ${mark} are routed to the proxy on this machine`;
  append(Chain.divert, `-j MARK --set-mark ${mark}`, toRoute);
  append(Chain.divert, '-j ACCEPT', toRoute);
  append(
    Chain.tproxy,
    `! -d ${loopbackCidr(options, family)} -p tcp -j TPROXY --tproxy-mark ${mark}/0xffffffff --on-port ${port}`,
    `${port} is the proxy’s inbound port (-z)`,
  );
  append('PREROUTING', `-p tcp -j ${Chain.inbound}`, 'all that comes in is looked at');
  const capture = (ports: string, why: string): void => {
    append(
      Chain.inbound,
      `-p tcp${ports} ${established} -j ${Chain.divert}`,
      `${why}; it belongs to a connection that the proxy has`,
    );
    append(Chain.inbound, `-p tcp${ports} -j ${Chain.tproxy}`, why);
  };
  if (options.inboundPortsInclude !== '*') {
    for (const p of options.inboundPortsInclude)
      capture(` --dport ${p}`, `inbound port ${p} is captured (-b)`);
    return;
  }
  for (const p of options.inboundPortsExclude) {
    append(Chain.inbound, `-p tcp --dport ${p} -j RETURN`, `inbound port ${p} is excluded (-d)`);
  }
  capture('', 'all inbound ports are captured (-b *)');
}

/**
 * The proxy connects to the application from the client's address and with the mark on its packets (original_src filter). The
 * mark is kept with the connection, so that the application's answers, which are addressed to the client, find back to the proxy.
 */
export function planTproxyMarks(plan: PlanBuilder, options: IptablesOptions, family: Family): void {
  const { tproxyMark: mark } = options;
  const append = (chain: string, text: string, why: string): void =>
    plan.append(chain, text, why, 'mangle');
  const loopback = loopbackCidr(options, family);
  append(
    'PREROUTING',
    `-p tcp -m mark --mark ${mark} -j CONNMARK --save-mark`,
    'the mark stays with the connection',
  );
  append(
    'OUTPUT',
    `-p tcp -o lo -m mark --mark ${mark} -j RETURN`,
    'the proxy’s traffic to the application keeps its mark',
  );
  const owners = [
    ...options.proxyUids.map((uid) => `uid ${uid}`),
    ...options.proxyGids.map((gid) => `gid ${gid}`),
  ];
  for (const owner of owners) {
    append(
      'OUTPUT',
      `! -d ${loopback} -p tcp -o lo -m owner --${owner.replace(' ', '-owner ')} -j MARK --set-mark ${outboundMark}`,
      `the proxy (${owner}) calls the pod’s own address, which the proxy’s inbound side serves`,
    );
  }
  append(
    'OUTPUT',
    `-p tcp -m connmark --mark ${mark} -j CONNMARK --restore-mark`,
    'the application’s answers go back to the proxy',
  );
  const insert = (position: number, text: string, why: string): void =>
    plan.insert('mangle', [Chain.inbound, position], text, why);
  insert(1, `-p tcp -m mark --mark ${mark} -j RETURN`, 'it is captured already');
  insert(
    2,
    `-p tcp -s ${passthroughSource[family]} -i lo -j RETURN`,
    'the proxy hands inbound traffic on to the application from this address',
  );
  insert(
    3,
    `-p tcp -i lo -m mark ! --mark ${outboundMark} -j RETURN`,
    'containers of the pod may talk to each other over loopback',
  );
}
