// `outrigger-iptables explain`: which rule catches a packet, and why, from the same plan that is laid. [m]
import { networkInterfaces } from 'node:os';
import { contains, parseAddress, parseRange } from './addresses.ts';
import type { Address } from './addresses.ts';
import { usage } from './flags.ts';
import type { Variables } from './option-reader.ts';
import { parseOptions } from './options.ts';
import type { IptablesOptions, Machine } from './options.ts';
import { walkPlan } from './packet-walk.ts';
import type { Packet, Walk } from './packet-walk.ts';
import { proxyUser } from './plan-builder.ts';
import { planRules } from './rule-plan.ts';
import { ruleLine } from './rules-text.ts';

const help = `usage: outrigger-iptables explain --to ADDRESS:PORT [--from WHO] [more] [flags of the set-up]
Says in words what the rules do to a packet. Nothing is changed, and no rights are needed.
  --from WHO        app (default), proxy, outside, uid:N, gid:N, or an address
  --to ADDRESS:PORT where it goes; with --from outside the port is enough
  --protocol NAME   tcp (default) or udp
  --interface NAME  what it leaves or comes in by (lo for the pod's own addresses, else eth0)
  --pod-ip ADDRESS  an address of the pod (default: those of this machine)
  --all             also the rules that do not catch it, each with the reason
Without flags of the set-up, those of an injected pod: -b "*" -i "*" -d 15090,15021,15020.
`;

const injected = ['-b', '*', '-i', '*', '-d', '15090,15021,15020'];
const words = ['from', 'to', 'protocol', 'interface', 'pod-ip'] as const;
type Word = (typeof words)[number];

export interface Answer {
  readonly status: 0 | 2;
  readonly text: string;
}

export function explain(argv: readonly string[], environment: Variables, machine: Machine): Answer {
  const problems: string[] = [];
  const { given, showsAll, rest, wantsHelp } = splitWords(argv, problems);
  if (wantsHelp) return { status: 0, text: help };
  const saysNothing =
    rest.length === 0 &&
    environment['ISTIO_SERVICE_CIDR'] === undefined &&
    environment['ISTIO_INBOUND_PORTS'] === undefined;
  const parsed = parseOptions(saysNothing ? injected : rest, environment, machine);
  if (parsed.kind === 'help') return { status: 0, text: usage() };
  if (parsed.kind === 'problems') problems.push(...parsed.problems);
  const packet =
    parsed.kind === 'options' ? readPacket(given, parsed.options, problems) : undefined;
  if (parsed.kind !== 'options' || packet === undefined || problems.length > 0) {
    return {
      status: 2,
      text: `${help}\n${problems.map((problem) => `outrigger-iptables: ${problem}\n`).join('')}`,
    };
  }
  const walk = walkPlan(planRules(parsed.options, packet.destination.family), packet);
  return { status: 0, text: `${describePacket(given, packet)}\n${describeWalk(walk, showsAll)}` };
}

/** What becomes of the packet, in words. */
export function describeVerdict({ verdict, port, decidedBy }: Walk): string {
  const because = decidedBy === undefined ? 'no rule has anything to do with it' : decidedBy.why;
  switch (verdict) {
    case 'redirected':
      return `goes to port ${port} of this pod instead, because ${because}`;
    case 'transparent':
      return `goes to port ${port} of this pod with its addresses as they are, because ${because}`;
    case 'dropped':
      return `is dropped, because ${because}`;
    case 'untouched':
      return `goes where it wants to, because ${because}`;
  }
}

function describeWalk(walk: Walk, showsAll: boolean): string {
  const lines = walk.steps
    .filter((step) => showsAll || step.passedBecause === undefined)
    .map(({ rule, passedBecause }) => {
      const line = `${rule.table.padEnd(6)} ${ruleLine({ ...rule, position: undefined })}`;
      return passedBecause === undefined
        ? `  * ${line}\n      ${rule.why}`
        : `    ${line}\n      not this one: ${passedBecause}`;
    });
  return [...lines, `It ${describeVerdict(walk)}.`, ''].join('\n');
}

function describePacket(given: ReadonlyMap<Word, string>, packet: Packet): string {
  const who =
    packet.uid === undefined
      ? given.get('from')
      : `${given.get('from') ?? 'app'} (uid ${packet.uid}, gid ${packet.gid})`;
  const verb = packet.direction === 'out' ? 'leaves by' : 'comes in by';
  return `${packet.protocol} from ${who} to ${given.get('to')}, which ${verb} ${packet.networkInterface}:`;
}

function splitWords(argv: readonly string[], problems: string[]) {
  const given = new Map<Word, string>();
  const rest: string[] = [];
  let showsAll = false;
  let wantsHelp = false;
  const left = [...argv];
  for (let word = left.shift(); word !== undefined; word = left.shift()) {
    const [name = '', ...value] = word.replace(/^--/, '').split('=');
    const known = word.startsWith('--') ? words.find((w) => w === name) : undefined;
    if (word === '--all') showsAll = true;
    else if (word === '--help' || word === '-h') wantsHelp = true;
    else if (known === undefined) rest.push(word);
    else {
      const text = value.length > 0 ? value.join('=') : left.shift();
      if (text === undefined) problems.push(`--${known} needs a value`);
      else given.set(known, text);
    }
  }
  return { given, rest, showsAll, wantsHelp };
}

function readPacket(
  given: ReadonlyMap<Word, string>,
  options: IptablesOptions,
  problems: string[],
): Packet | undefined {
  const own = ownAddresses(given.get('pod-ip'), problems);
  const sender = readSender(given.get('from') ?? 'app', options, own, problems);
  const to = readDestination(
    given.get('to'),
    sender?.direction === 'in' ? own[0] : undefined,
    problems,
  );
  const protocol = given.get('protocol') ?? 'tcp';
  if (protocol !== 'tcp' && protocol !== 'udp')
    problems.push(`--protocol: "${protocol}" is neither tcp nor udp`);
  if (sender === undefined || to === undefined) return undefined;
  const staysHere = sender.direction === 'out' && isOwn(to.destination, own);
  return {
    ...sender,
    ...to,
    protocol: protocol === 'udp' ? 'udp' : 'tcp',
    sourcePort: 'none named',
    networkInterface: given.get('interface') ?? (staysHere ? 'lo' : 'eth0'),
  };
}

function readSender(
  from: string,
  options: IptablesOptions,
  own: readonly Address[],
  problems: string[],
): Pick<Packet, 'direction' | 'source' | 'uid' | 'gid'> | undefined {
  const app = strangerTo([...options.proxyUids, ...options.proxyGids]);
  const out = (uid: string, gid: string): Pick<Packet, 'direction' | 'source' | 'uid' | 'gid'> => ({
    direction: 'out',
    source: undefined,
    uid,
    gid,
  });
  if (from === 'app') return out(app, app);
  const proxy = proxyUser(options);
  if (from === 'proxy') return out(proxy.uid, proxy.gid);
  if (from === 'outside')
    return { direction: 'in', source: undefined, uid: undefined, gid: undefined };
  const [, kind, id] = /^(uid|gid):([A-Za-z0-9_.-]+)$/.exec(from) ?? [];
  if (id !== undefined) return kind === 'uid' ? out(id, app) : out(app, id);
  const source = parseAddress(from);
  if (source === undefined) {
    problems.push(`--from: "${from}" is none of app, proxy, outside, uid:N, gid:N, ADDRESS`);
    return undefined;
  }
  // Only the proxy binds the addresses by which its traffic to the application is known.
  const isProxy = ['127.0.0.6', '::6'].some((text) => parseAddress(text)?.value === source.value);
  if (isProxy) return { ...out(proxy.uid, proxy.gid), source };
  return isOwn(source, own)
    ? { ...out(app, app), source }
    : { direction: 'in', source, uid: undefined, gid: undefined };
}

/** An id that is none of the proxy's. */
function strangerTo(ids: readonly string[]): string {
  let id = 1000;
  while (ids.includes(String(id))) id++;
  return String(id);
}

function readDestination(
  to: string | undefined,
  fallback: Address | undefined,
  problems: string[],
): Pick<Packet, 'destination' | 'destinationPort'> | undefined {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]:|([^:]*):|)(\d{1,5})$/.exec(to ?? '') ?? [];
  const address = bracketed ?? plain ?? '';
  const destination = address === '' ? fallback : parseAddress(address);
  if (port === undefined || Number(port) > 65535 || destination === undefined) {
    const what = to === undefined ? 'is needed' : `"${to}" is no address with a port`;
    problems.push(`--to ${what} (write 10.0.0.5:443 or [2001:db8::5]:443)`);
    return undefined;
  }
  return { destination, destinationPort: String(Number(port)) };
}

function ownAddresses(podIp: string | undefined, problems: string[]): readonly Address[] {
  const texts =
    podIp === undefined
      ? Object.values(networkInterfaces()).flatMap((list) =>
          (list ?? []).filter((a) => !a.internal).map((a) => a.address),
        )
      : podIp.split(',');
  return texts.flatMap((text) => {
    const address = parseAddress(text);
    if (address === undefined && podIp !== undefined)
      problems.push(`--pod-ip: "${text}" is no address`);
    return address ?? [];
  });
}

function isOwn(address: Address, own: readonly Address[]): boolean {
  const loopback = ['127.0.0.0/8', '::1/128', '::6/128'].some((cidr) =>
    contains(parseRange(cidr)!, address),
  );
  return loopback || own.some((a) => a.family === address.family && a.value === address.value);
}
