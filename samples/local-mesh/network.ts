// Pods as network namespaces on one bridge: the commands, and what holds each namespace. Runs inside the mesh's own namespaces.
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { ADMIN_PORT, BRIDGE_ADDRESS, POD_PREFIX_BITS } from './plan.ts';
import type { PodPlan } from './plan.ts';

const BRIDGE = 'mesh0';
/** The proxy's own connections are told from the application's by this user, as in Istio. */
export const SIDECAR_UID = 1337;
export const APP_UID = 1000;

/** Lines for `ip -batch` where the bridge is. */
export const bridgeCommands = (): string[] => [
  'link set lo up',
  `link add ${BRIDGE} type bridge`,
  `address add ${BRIDGE_ADDRESS}/${POD_PREFIX_BITS} dev ${BRIDGE}`,
  `link set ${BRIDGE} up`,
];

/** Where the bridge is, for the pod whose namespace `holderPid` has. */
export const cableCommands = (index: number, holderPid: number): string[] => [
  `link add pod${index} type veth peer name eth0 netns ${holderPid}`,
  `link set pod${index} master ${BRIDGE}`,
  `link set pod${index} up`,
];

/** In the pod. Its services have no address anywhere; the default route is for packets before they are redirected. */
export const podCommands = (pod: PodPlan): string[] => [
  'link set lo up',
  `address add ${pod.address}/${POD_PREFIX_BITS} dev eth0`,
  'link set eth0 up',
  `route add default via ${BRIDGE_ADDRESS}`,
];

/** As the injector's init container, but for the admin port, which this sample shows outside the pod. */
export const redirectFlags = (): string[] => [
  ...['-p', '15001', '-z', '15006', '-u', String(SIDECAR_UID), '-m', 'REDIRECT'],
  ...['-i', '*', '-x', '', '-b', '*', '-d', `15090,15021,15020,${ADMIN_PORT}`],
];

/** Standard output and error, for messages; rejects with them. */
function runCommand(words: readonly string[], input = ''): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      words[0]!,
      words.slice(1),
      { timeout: 30_000 },
      (error, stdout, stderr) => {
        if (error === null) resolve();
        else
          reject(
            new Error(
              `\`${words.join(' ')}\` failed: ${`${stderr}${stdout}`.trim() || error.message}`,
            ),
          );
      },
    );
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

const enterNetwork = (pid: number): string[] => ['nsenter', '--target', String(pid), '--net'];

const ipBatch = (lines: readonly string[], enter: readonly string[] = []): Promise<void> =>
  runCommand([...enter, 'ip', '-batch', '-'], `${lines.join('\n')}\n`);

export class PodNetworks {
  readonly #holders = new Map<string, ChildProcess>();

  /** `root` holds iptables-init/; undefined: no redirection. */
  static async create(pods: readonly PodPlan[], root: string | undefined): Promise<PodNetworks> {
    const networks = new PodNetworks();
    await ipBatch(bridgeCommands());
    for (const pod of pods) networks.#hold(pod);
    for (const [index, pod] of pods.entries()) {
      const pid = await networks.#ownNetwork(pod);
      await ipBatch(cableCommands(index, pid));
      await ipBatch(podCommands(pod), enterNetwork(pid));
    }
    if (root !== undefined) await Promise.all(pods.map((pod) => networks.#redirect(pod, root)));
    return networks;
  }

  /** Lives as long as its input is open: a namespace with nobody in it would be gone. */
  #hold(pod: PodPlan): void {
    const holder = spawn('unshare', ['--net', 'cat'], { stdio: ['pipe', 'ignore', 'ignore'] });
    holder.on('error', () => {});
    holder.stdin.on('error', () => {});
    this.#holders.set(pod.name, holder);
  }

  #pidOf(pod: PodPlan): number {
    const pid = this.#holders.get(pod.name)?.pid;
    if (pid === undefined)
      throw new Error(`no namespace for ${pod.name}: \`unshare --net\` cannot be started`);
    return pid;
  }

  /** The holder's process id, once it has left our namespace. */
  async #ownNetwork(pod: PodPlan): Promise<number> {
    const ours = readlinkSync('/proc/self/ns/net');
    const pid = this.#pidOf(pod);
    for (let tries = 0; tries < 500; tries++) {
      if (readlinkSync(`/proc/${pid}/ns/net`) !== ours) return pid;
      await sleep(10);
    }
    throw new Error(`no namespace for ${pod.name}: \`unshare --net\` does nothing`);
  }

  #redirect(pod: PodPlan, root: string): Promise<void> {
    const program = join(root, 'iptables-init/bin/outrigger-iptables');
    return runCommand([...enterNetwork(this.#pidOf(pod)), program, ...redirectFlags()]);
  }

  /** Words before a command that is to run in the pod, as `uid`. */
  enter(pod: PodPlan, uid: number): string[] {
    return [
      ...enterNetwork(this.#pidOf(pod)),
      '--setgid',
      String(uid),
      '--setuid',
      String(uid),
      '--',
    ];
  }

  close(): void {
    for (const holder of this.#holders.values()) holder.kill('SIGKILL');
  }
}
