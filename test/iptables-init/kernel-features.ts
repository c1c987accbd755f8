// What this machine's kernel and programs can do, asked in a namespace, so that a test can say loudly what it leaves out. [m]
import { PodNetwork } from '../support/netns.ts';

export type Kind = 'iptables-nft' | 'iptables-legacy' | 'nftables';
export type Feature = 'owner' | 'REDIRECT' | 'TPROXY' | 'zones' | 'INVALID';

const rules: Readonly<Record<Feature, readonly [iptables: string, nft: string]>> = {
  owner: [
    '-t nat -A OUTPUT -m owner --uid-owner 1 -j RETURN',
    'type nat hook output priority -100; meta skuid 1 return',
  ],
  REDIRECT: [
    '-t nat -A OUTPUT -p tcp -j REDIRECT --to-ports 1',
    'type nat hook output priority -100; meta l4proto tcp redirect to :1',
  ],
  TPROXY: [
    '-t mangle -A PREROUTING -p tcp -j TPROXY --tproxy-mark 1/0xffffffff --on-port 1',
    'type filter hook prerouting priority -150; meta nfproto ipv4 meta l4proto tcp tproxy ip to :1',
  ],
  zones: [
    '-t raw -A OUTPUT -p udp --dport 53 -j CT --zone 1',
    'type filter hook output priority -300; udp dport 53 ct zone set 1',
  ],
  INVALID: [
    '-t mangle -A PREROUTING -m conntrack --ctstate INVALID -j DROP',
    'type filter hook prerouting priority -150; ct state invalid drop',
  ],
};

const asked = new Map<string, string | undefined>();

/** Why the first of the features cannot be had; undefined where all can. */
export function kernelLacks(kind: Kind, features: readonly Feature[]): string | undefined {
  return features.map((feature) => lack(kind, feature)).find((reason) => reason !== undefined);
}

function lack(kind: Kind, feature: Feature): string | undefined {
  const key = `${kind} ${feature}`;
  if (!asked.has(key)) asked.set(key, ask(kind, feature));
  return asked.get(key);
}

function ask(kind: Kind, feature: Feature): string | undefined {
  const network = new PodNetwork(['asked']);
  const [words, text] = rules[feature];
  try {
    const pod = network.pod('asked');
    const input = `table inet asked {\n chain asked {\n ${text.replace('; ', ';\n ')}\n }\n}\n`;
    const ran =
      kind === 'nftables'
        ? pod.run('nft', ['-f', '-'], { input })
        : pod.run(kind, words.split(' '));
    return ran.status === 0 ? undefined : `${kind} has no ${feature} here: ${ran.stderr.trim()}`;
  } finally {
    network.close();
  }
}
