// Takes one packet through the plan as the kernel would, rule by rule. Pure. [m] iptables(8), netfilter's order of hooks.
import { contains, parseRange } from './addresses.ts';
import type { Address } from './addresses.ts';
import { Chain, settledChains } from './plan-builder.ts';
import type { Rule, RulesByChain, Table } from './plan-builder.ts';
import { parseRule } from './rule-parts.ts';
import type { Match, Target } from './rule-parts.ts';

/** First packet of a connection or of a UDP exchange. */
export interface Packet {
  /** Sent by a process of the pod, or come in from elsewhere. */
  readonly direction: 'out' | 'in';
  readonly protocol: 'tcp' | 'udp';
  /** Undefined: any that no rule names. */
  readonly source: Address | undefined;
  readonly destination: Address;
  readonly sourcePort: string;
  readonly destinationPort: string;
  /** The one it leaves by or comes in by; `lo` for what stays in the pod. */
  readonly networkInterface: string;
  /** Of the sender; undefined for what comes in. */
  readonly uid: string | undefined;
  readonly gid: string | undefined;
}

export interface Step {
  readonly rule: Rule;
  /** Why the rule does not match; undefined where it does. */
  readonly passedBecause: string | undefined;
}

export interface Walk {
  readonly steps: readonly Step[];
  readonly verdict: 'redirected' | 'transparent' | 'untouched' | 'dropped';
  /** Port of the proxy or agent that gets it. */
  readonly port: string;
  /** The rule that decided; undefined where none has anything to do with it. */
  readonly decidedBy: Rule | undefined;
}

/** What is true of the packet, and whether that is what the match asks for. */
interface Comparison {
  readonly text: string;
  readonly matches: boolean;
}

type Hook = 'OUTPUT' | 'PREROUTING';

export function walkPlan(plan: readonly Rule[], packet: Packet): Walk {
  return new Walker(plan, packet).walk();
}

class Walker {
  readonly #chains: ReadonlyMap<Table, RulesByChain>;
  readonly #packet: Packet;
  readonly #steps: Step[] = [];
  #hook: Hook = 'OUTPUT';
  #mark = '0';
  #lastJump: Rule | undefined;
  #lastReturn: Rule | undefined;
  #end: Omit<Walk, 'steps'> | undefined;

  constructor(plan: readonly Rule[], packet: Packet) {
    this.#chains = settledChains(plan);
    this.#packet = packet;
  }

  walk(): Walk {
    if (this.#packet.direction === 'out') this.#passHook('OUTPUT', ['raw', 'mangle', 'nat']);
    // What stays on loopback comes in again; its destination was settled on the way out, so nat is not asked twice.
    if (this.#packet.direction === 'in') this.#passHook('PREROUTING', ['raw', 'mangle', 'nat']);
    else if (this.#packet.networkInterface === 'lo')
      this.#passHook('PREROUTING', ['raw', 'mangle']);
    const end = this.#end ?? { verdict: 'untouched', port: '', decidedBy: this.#lastReturn };
    return { ...end, steps: this.#steps };
  }

  #passHook(hook: Hook, tables: readonly Table[]): void {
    this.#hook = hook;
    for (const table of tables) {
      if (this.#end === undefined) this.#passChain(table, hook);
    }
  }

  /** Whether the table is through with the packet. */
  #passChain(table: Table, chain: string): boolean {
    for (const rule of this.#chains.get(table)?.get(chain) ?? []) {
      const parts = parseRule(rule.words);
      if (parts === undefined) throw new Error(`cannot read ${rule.words.join(' ')}`);
      const passedBecause = parts.matches
        .map((match) => this.#mismatch(match))
        .find((reason) => reason !== undefined);
      this.#steps.push({ rule, passedBecause });
      if (passedBecause !== undefined) continue;
      if (parts.target.name === 'RETURN') {
        this.#lastReturn = rule;
        return false;
      }
      if (this.#act(table, rule, parts.target)) return true;
    }
    return false;
  }

  #act(table: Table, rule: Rule, target: Target): boolean {
    switch (target.name) {
      case 'MARK':
        this.#mark = target.value;
        return false;
      case 'CONNMARK':
      case 'CT':
        return false;
      case 'ACCEPT':
        this.#lastReturn = rule;
        return true;
      case 'DROP':
        this.#end = { verdict: 'dropped', port: '', decidedBy: rule };
        return true;
      case 'REDIRECT':
      case 'TPROXY': {
        // Rules of DNS capture decide and redirect at once; else it was the jump that decided.
        const decidedBy = rule.chain === Chain.outputDns ? rule : (this.#lastJump ?? rule);
        const verdict = target.name === 'TPROXY' ? 'transparent' : 'redirected';
        this.#end = { verdict, port: target.value, decidedBy };
        return true;
      }
      default:
        this.#lastJump = rule;
        return this.#passChain(table, target.name);
    }
  }

  /** Undefined where it matches; else what speaks against it. */
  #mismatch({ kind, values, not }: Match): string | undefined {
    const { text, matches } = this.#compare(kind, values);
    return matches === not ? text : undefined;
  }

  #compare(kind: Match['kind'], values: readonly string[]): Comparison {
    const one = values[0] ?? '';
    switch (kind) {
      case 'uid':
      case 'gid':
        return this.#compareOwner(kind, one);
      case 'state':
        return { text: 'it is the first of its connection', matches: values.includes('NEW') };
      case 'mark': {
        const text = this.#mark === '0' ? 'it has no mark' : `its mark is ${this.#mark}`;
        return { text, matches: one === this.#mark };
      }
      case 'connmark':
        return { text: 'its connection has no mark', matches: false };
      default:
        return this.#compareHeader(kind, values, one);
    }
  }

  #compareOwner(kind: 'uid' | 'gid', wanted: string): Comparison {
    const id = this.#packet[kind];
    const text = id === undefined ? 'its sender is elsewhere' : `its sender has ${kind} ${id}`;
    return { text, matches: this.#hook === 'OUTPUT' && id === wanted };
  }

  #compareHeader(
    kind: Exclude<Match['kind'], 'uid' | 'gid' | 'state' | 'mark' | 'connmark'>,
    values: readonly string[],
    one: string,
  ): Comparison {
    const packet = this.#packet;
    const isOut = this.#hook === 'OUTPUT';
    switch (kind) {
      case 'protocol':
        return { text: `it is ${packet.protocol}`, matches: one === packet.protocol };
      case 'source':
        return { text: `it does not come from ${one}`, matches: isWithin(packet.source, one) };
      case 'destination': {
        const matches = isWithin(packet.destination, one);
        return { text: matches ? `it goes to ${one}` : `it does not go to ${one}`, matches };
      }
      case 'in':
      case 'out': {
        const text = `it ${isOut ? 'leaves by' : 'comes in by'} ${packet.networkInterface}`;
        const isThisWay = (kind === 'out') === isOut;
        return { text, matches: isThisWay && isInterface(packet.networkInterface, one) };
      }
      case 'source-port':
        return {
          text: `its source port is ${packet.sourcePort}`,
          matches: values.includes(packet.sourcePort),
        };
      case 'destination-port':
        return {
          text: `its port is ${packet.destinationPort}`,
          matches: values.includes(packet.destinationPort),
        };
    }
  }
}

function isWithin(address: Address | undefined, cidr: string): boolean {
  const range = parseRange(cidr);
  return address !== undefined && range !== undefined && contains(range, address);
}

function isInterface(name: string, pattern: string): boolean {
  return pattern.endsWith('+') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
