// [m] PodSockets: which connections of the pod go through the proxy, and whether the application still listens, as the kernel's tables say
// (/proc/net/tcp, proc(5)). The pod's containers share them; the proxy's own stats say it only where the mesh keeps those.
import { fs } from '../../proxy/base/node-builtins.ts';
import type { AgentOptions } from '../options.ts';

export interface SocketCensus {
  /** Connections that came to the proxy from outside. */
  readonly inbound: number;
  /** From the application. */
  readonly outbound: number;
  /** On one of the ports that it declares. */
  readonly applicationListens: boolean;
}

export interface SidecarPorts {
  readonly inbound: ReadonlySet<number>;
  /** Of the sidecar itself: readiness, metrics, admin. */
  readonly own: ReadonlySet<number>;
  /** That the application's containers declare. */
  readonly application: ReadonlySet<number>;
}

export const sidecarPorts = ({ addresses, lifecycle }: AgentOptions): SidecarPorts => ({
  inbound: new Set([USUAL_INBOUND, ...lifecycle.appPorts]),
  own: new Set([addresses.readyPort, addresses.prometheusPort, addresses.adminPort]),
  application: new Set(lifecycle.appPorts),
});

/** What the kernel's tables say; tests bring their own. */
export interface SocketTables {
  /** Lines of /proc/net/tcp and tcp6 without their heads. Undefined: there are none. */
  lines(): readonly string[] | undefined;
  /** Undefined: cannot be read. */
  inodesOf(pid: number): ReadonlySet<string> | undefined;
}

/** ESTABLISHED, CLOSE_WAIT. */
const IS_OPEN: ReadonlySet<string> = new Set(['01', '08']);
const LISTEN = '0A';
const USUAL_INBOUND = 15006;
/** Where the proxy's descriptors cannot be read, as with one that has capabilities. */
const IS_USUAL: ReadonlySet<number> = new Set([15001, USUAL_INBOUND]);
const LOCAL = 1;
const STATE = 3;
const INODE = 9;

export class PodSockets {
  readonly #ports: SidecarPorts;
  readonly #tables: SocketTables;

  constructor(ports: SidecarPorts, tables: SocketTables = procTables) {
    this.#ports = ports;
    this.#tables = tables;
  }

  /** Undefined where the kernel does not say. */
  count(proxyPid: number | undefined): SocketCensus | undefined {
    const lines = this.#tables.lines();
    if (lines === undefined) return undefined;
    const rows = lines.map((line) => line.trim().split(/ +/));
    const inodes = proxyPid === undefined ? new Set<string>() : this.#tables.inodesOf(proxyPid);
    const isProxys = (row: readonly string[]): boolean =>
      inodes === undefined ? IS_USUAL.has(portOf(row)) : inodes.has(row[INODE] ?? '');
    const listens = rows.filter((row) => row[STATE] === LISTEN);
    const doors = new Set(listens.filter(isProxys).map(portOf));
    const applicationListens = listens.some(
      (row) => !isProxys(row) && this.#ports.application.has(portOf(row)),
    );
    const taken = rows
      .filter((row) => IS_OPEN.has(row[STATE] ?? '') && isProxys(row))
      .map(portOf)
      .filter((port) => doors.has(port) && !this.#ports.own.has(port));
    const inbound = taken.filter((port) => this.#ports.inbound.has(port)).length;
    return { inbound, outbound: taken.length - inbound, applicationListens };
  }
}

function portOf(row: readonly string[]): number {
  const local = row[LOCAL] ?? '';
  return Number(`0x${local.slice(local.lastIndexOf(':') + 1)}`);
}

const procTables: SocketTables = {
  lines() {
    const lines: string[] = [];
    for (const table of ['tcp', 'tcp6']) {
      try {
        lines.push(...fs.readFileSync(`/proc/self/net/${table}`, 'latin1').split('\n').slice(1));
      } catch {
        // A kernel without IPv6 has no tcp6; elsewhere than on Linux there is neither.
      }
    }
    return lines.length === 0 ? undefined : lines.filter((line) => line !== '');
  },
  inodesOf(pid) {
    try {
      const dir = `/proc/${pid}/fd`;
      const inodes = new Set<string>();
      for (const fd of fs.readdirSync(dir)) {
        const inode = socketInode(`${dir}/${fd}`);
        if (inode !== undefined) inodes.add(inode);
      }
      return inodes;
    } catch {
      return undefined;
    }
  },
};

function socketInode(path: string): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(fs.readlinkSync(path))?.[1];
  } catch {
    // Closed meanwhile.
    return undefined;
  }
}
