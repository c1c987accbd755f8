// Which connections show that a plan is in force: one through each chain that redirects, found by walking the plan. Pure. [m]
import { parseAddress } from './addresses.ts';
import type { Family, IptablesOptions } from './options.ts';
import { walkPlan } from './packet-walk.ts';
import type { Packet } from './packet-walk.ts';
import { proxyUser } from './plan-builder.ts';
import type { Rule } from './plan-builder.ts';
import { wire } from './probe.ts';
import type { ProbeUser } from './probe.ts';
import { addressOf } from './option-values.ts';

export interface PlannedProbe {
  readonly family: Family;
  /** "of the proxy (uid 1337)", for messages. */
  readonly who: string;
  /** Undefined: it comes from outside the pod. */
  readonly user: ProbeUser | undefined;
  readonly host: string;
  readonly port: number;
  readonly source: string | undefined;
  /** Where it has to arrive. */
  readonly expectedPort: number;
  /** The rules that take it there. */
  readonly path: readonly Rule[];
}

/** Addresses that nobody has (RFC 5737, RFC 3849): what is sent there can only arrive by a redirect. */
const nowhere = { IPv4: '192.0.2.1', IPv6: '2001:db8::1' } as const;
/**
 * Addresses of loopback that are not localhost: the proxy's calls to them are calls to its own pod. Made from localhost, because
 * the kernel would take the same address for both ends, and that is what the rules know the proxy's other calls by.
 */
const ownPod = { IPv4: '127.0.0.6', IPv6: '::6' } as const;
const localhost = { IPv4: '127.0.0.1', IPv6: '::1' } as const;
const mostCandidates = 16;

interface Candidate {
  readonly who: string;
  readonly user: ProbeUser | undefined;
  readonly source: string | undefined;
  readonly hosts: readonly string[];
  readonly ports: readonly string[];
  readonly networkInterface: string;
  readonly arrivesAt: string;
}

/** None for a chain to which no connection leads, such as the outbound one where nothing outbound is captured. */
export function plannedProbes(
  options: IptablesOptions,
  family: Family,
  plan: readonly Rule[],
): readonly PlannedProbe[] {
  return candidates(options, family).flatMap(
    (candidate) => firstThatArrives(family, plan, candidate) ?? [],
  );
}

function candidates(options: IptablesOptions, family: Family): readonly Candidate[] {
  const { probePort, inboundPortsInclude, outboundCidrsInclude, dns } = options;
  const { uid, gid } = proxyUser(options);
  const proxy = { uid: Number(uid), gid: Number(gid) };
  const application = strangerTo(options);
  const ranges = outboundCidrsInclude === '*' ? [] : outboundCidrsInclude[family].map(addressOf);
  const listed = inboundPortsInclude === '*' ? [] : inboundPortsInclude;
  const app = `of the application (uid ${application.uid})`;
  return [
    {
      who: `of the proxy (uid ${proxy.uid})`,
      user: proxy,
      source: localhost[family],
      hosts: [ownPod[family]],
      ports: [probePort, ...listed],
      networkInterface: 'lo',
      arrivesAt: options.inboundCapturePort,
    },
    {
      who: app,
      user: application,
      source: undefined,
      hosts: [nowhere[family], ...ranges],
      ports: [probePort, ...options.outboundPortsInclude],
      networkInterface: 'eth0',
      arrivesAt: options.proxyPort,
    },
    {
      who: `${app} for DNS`,
      user: application,
      source: undefined,
      hosts: dns?.all === true ? [nowhere[family]] : (dns?.servers[family] ?? []).map(addressOf),
      ports: ['53'],
      networkInterface: 'eth0',
      arrivesAt: '15053',
    },
    {
      who: 'from outside the pod',
      user: undefined,
      source: undefined,
      hosts: [wire[family][0]],
      ports: [probePort, ...listed],
      networkInterface: wire.name,
      arrivesAt: options.inboundCapturePort,
    },
  ];
}

function firstThatArrives(
  family: Family,
  plan: readonly Rule[],
  candidate: Candidate,
): PlannedProbe | undefined {
  const pairs = candidate.hosts.flatMap((host) =>
    candidate.ports.map((port) => [host, port] as const),
  );
  for (const [host, port] of pairs.slice(0, mostCandidates)) {
    const walk = walkPlan(plan, packetOf(candidate, host, port));
    if (walk.port !== candidate.arrivesAt) continue;
    const path = walk.steps
      .filter((step) => step.passedBecause === undefined)
      .map((step) => step.rule);
    const { who, user, source, arrivesAt } = candidate;
    return {
      family,
      who,
      user,
      source,
      host,
      port: Number(port),
      expectedPort: Number(arrivesAt),
      path,
    };
  }
  return undefined;
}

function packetOf(
  { user, source, networkInterface }: Candidate,
  host: string,
  port: string,
): Packet {
  return {
    direction: user === undefined ? 'in' : 'out',
    protocol: 'tcp',
    source: source === undefined ? undefined : parseAddress(source),
    destination: parseAddress(host)!,
    sourcePort: 'none named',
    destinationPort: port,
    networkInterface: host.startsWith('127.') || host === '::1' ? 'lo' : networkInterface,
    uid: user === undefined ? undefined : String(user.uid),
    gid: user === undefined ? undefined : String(user.gid),
  };
}

/** A user that is neither the proxy's nor excluded; of a group that is captured where only some are. */
function strangerTo(options: IptablesOptions): ProbeUser {
  const taken = new Set([
    ...options.proxyUids,
    ...options.proxyGids,
    ...options.ownerGroupsExclude,
  ]);
  let id = 2000;
  while (taken.has(String(id))) id++;
  const included =
    options.ownerGroupsInclude === '*'
      ? undefined
      : options.ownerGroupsInclude.find((group) => /^\d+$/.test(group));
  return { uid: id, gid: included === undefined ? id : Number(included) };
}
