// A pod with an application and a stand-in for its proxy, a pod outside, and clients of several users in both. [m]
import type { ChildProcess } from 'node:child_process';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { PodNetwork } from '../support/netns.ts';
import type { Pod, RunOptions, RunResult } from '../support/netns.ts';
import type { Behaviour } from './stand-in-proxy.ts';
import type { Call } from './traffic-client.ts';

export const launcher = fileURLToPath(
  new URL('../../iptables-init/bin/outrigger-iptables', import.meta.url),
);
const script = (name: string): string => fileURLToPath(new URL(`./${name}.ts`, import.meta.url));

type SpawnOptions = Pick<RunOptions, 'uid' | 'gid' | 'capabilities'>;

/** Users of the pod `shop`; the client outside is of no account to any rule. */
const users = {
  app: { uid: 1000 },
  proxy: { uid: 1337 },
  rootProxy: { uid: 0, gid: 1337 },
  proxyGroup: { uid: 1001, gid: 1337 },
  otherGroup: { uid: 1002, gid: 888 },
} as const;
export type Client = keyof typeof users | 'outside';

/** Ids as the kernel sees them; undefined for the client outside. */
export function clientUser(
  client: Client,
): { readonly uid: string; readonly gid: string } | undefined {
  if (client === 'outside') return undefined;
  const user: { readonly uid: number; readonly gid?: number } = users[client];
  return { uid: String(user.uid), gid: String(user.gid ?? user.uid) };
}

/** Addresses that the cases use; `second` is one more of the pod outside, `service` one that nobody has. */
export const addresses = {
  IPv4: {
    shop: '10.77.0.1',
    outside: '10.77.0.2',
    second: '10.77.0.12',
    service: '10.96.0.7',
    localhost: '127.0.0.1',
    passthrough: '127.0.0.6',
  },
  IPv6: {
    shop: 'fd77::1',
    outside: 'fd77::2',
    second: 'fd77::12',
    service: 'fd96::7',
    localhost: '::1',
    passthrough: '::6',
  },
} as const;

export class TrafficPods {
  readonly #network = new PodNetwork(['shop', 'outside']);
  readonly #clients = new Map<Client, LineClient>();
  readonly shop: Pod = this.#network.pod('shop');
  readonly outside: Pod = this.#network.pod('outside');
  #proxy: ChildProcess | undefined;

  /** Starts everything but the proxy. */
  async start(): Promise<void> {
    this.#addAddresses();
    // A table of iptables-legacy that was once looked at is listed for ever; so they all are, from the beginning.
    for (const command of ['iptables-legacy', 'ip6tables-legacy']) {
      for (const table of ['raw', 'mangle', 'nat', 'filter'])
        this.shop.run(command, ['-t', table, '-S']);
    }
    const server = (
      pod: Pod,
      words: readonly string[],
      options: SpawnOptions = {},
    ): Promise<ChildProcess> => startReady(pod, script('traffic-server'), words, options);
    await Promise.all([
      server(this.shop, ['shop', '8080,8081,15021,15008', '8080'], { uid: users.app.uid }),
      server(this.outside, ['outside', '9090,9091,53', '9090,53']),
    ]);
    for (const [name, user] of Object.entries(users)) {
      this.#clients.set(name as Client, new LineClient(this.shop, user));
    }
    this.#clients.set('outside', new LineClient(this.outside, {}));
  }

  /** As Istio's injection starts it: with TPROXY as root, and then it is known by its group alone. */
  async startProxy(mode: 'REDIRECT' | 'TPROXY'): Promise<void> {
    await this.stopProxy();
    const { IPv4, IPv6 } = addresses;
    const services = {
      [`${IPv4.service} 80`]: `${IPv4.shop} 8080`,
      [`${IPv6.service} 80`]: `${IPv6.shop} 8080`,
      'dns udp4': IPv4.outside,
      'dns udp6': IPv6.outside,
    };
    const behaviour: Behaviour = { services, keepsClient: mode === 'TPROXY' };
    const user =
      mode === 'TPROXY' ? { ...users.rootProxy, capabilities: ['net_admin'] } : users.proxy;
    this.#proxy = await startReady(
      this.shop,
      script('stand-in-proxy'),
      [JSON.stringify(behaviour)],
      user,
    );
  }

  async stopProxy(): Promise<void> {
    const proxy = this.#proxy;
    this.#proxy = undefined;
    if (proxy === undefined) return;
    const gone = new Promise((resolve) => proxy.once('close', resolve));
    proxy.kill('SIGKILL');
    await gone;
  }

  /** What the client reads; `error …` where nothing answers. */
  ask(client: Client, call: Partial<Call> & Pick<Call, 'host' | 'port'>): Promise<string> {
    return this.#clients.get(client)!.ask({ protocol: 'tcp', hops: 0, ...call });
  }

  run(
    words: readonly string[],
    { resolvConf, ...options }: RunOptions & { readonly resolvConf?: string } = {},
  ): RunResult {
    const limits = { timeoutMs: 30_000, ...options };
    if (resolvConf === undefined) return this.shop.run(launcher, words, limits);
    // A file of the pod's own, in a mount namespace that ends with the run.
    const put =
      'f=$(mktemp) && printf "$0" > "$f" && mount --bind "$f" /etc/resolv.conf && rm "$f" && exec "$@"';
    return this.shop.run(
      'unshare',
      ['--mount', 'sh', '-c', put, resolvConf, launcher, ...words],
      limits,
    );
  }

  /** All that a set-up may change, without time stamps and counters. */
  saved(): string {
    const commands = [
      ...[
        'iptables-nft-save',
        'ip6tables-nft-save',
        'iptables-legacy-save',
        'ip6tables-legacy-save',
      ].map((name) => [name]),
      ['nft', 'list', 'ruleset'],
      ...['-4', '-6'].map((family) => ['ip', family, 'rule', 'show']),
      ...['-4', '-6'].map((family) => ['ip', family, 'route', 'show', 'table', '133']),
      ['ip', 'addr', 'show', 'dev', 'lo'],
    ];
    return commands
      .map(([name = '', ...words]) => this.shop.run(name, words).stdout)
      .join('')
      .replaceAll(/^#.*\n/gm, '')
      .replaceAll(/ \[\d+:\d+\]$/gm, '');
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#network.close();
  }

  #addAddresses(): void {
    const must = (pod: Pod, ...words: readonly string[]): void => {
      const ran = pod.run('ip', words);
      if (ran.status !== 0) throw new Error(`ip ${words.join(' ')}: ${ran.stderr}`);
    };
    // Not preferred, so that the pod goes on answering and calling from its first address.
    for (const address of [`${addresses.IPv4.second}/32`, `${addresses.IPv6.second}/128`]) {
      const more = address.includes(':') ? ['nodad', 'preferred_lft', '0'] : [];
      must(this.outside, 'addr', 'add', address, 'dev', 'eth0', ...more);
    }
    must(this.shop, 'route', 'add', 'default', 'via', addresses.IPv4.outside);
    must(this.shop, '-6', 'route', 'add', 'default', 'via', addresses.IPv6.outside);
  }
}

class LineClient {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: string) => void>();
  #next = 0;

  constructor(pod: Pod, options: SpawnOptions) {
    this.#child = pod.spawn(process.execPath, [script('traffic-client')], options);
    this.#child.stderr?.pipe(process.stderr);
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      const { id, answer } = JSON.parse(line) as { readonly id: number; readonly answer: string };
      this.#waiting.get(id)?.(answer);
      this.#waiting.delete(id);
    });
  }

  ask(call: Call): Promise<string> {
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.stdin!.write(`${JSON.stringify({ id, call })}\n`);
    });
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }
}

function startReady(
  pod: Pod,
  file: string,
  words: readonly string[],
  options: SpawnOptions,
): Promise<ChildProcess> {
  const child = pod.spawn(process.execPath, [file, ...words], options);
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) =>
      reject(new Error(`${file}: exit ${code} before it was ready: ${errors}`)),
    );
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (line === 'ready') resolve(child);
    });
  });
}
