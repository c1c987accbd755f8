// [m] EndpointBook: the endpoints in force, and what of them workers are yet to be told. A worker hears of the hosts that changed
// and of no others; of a great many hosts it hears in parts, each small enough not to hold up requests.
import type {
  ClusterEndpointsConfig,
  EndpointChangesConfig,
  LocalityEndpointsConfig,
} from '../config/endpoint-config.ts';
import { changesOf, diffEndpoints } from '../upstream/endpoint-diff.ts';

/** Hosts in one message about a cluster: a worker takes one or two ms for them, ten times that while its code is cold. */
export const HOSTS_PER_PART = 250;

export interface EndpointNews {
  readonly whole: readonly ClusterEndpointsConfig[];
  readonly changes: readonly EndpointChangesConfig[];
}

export class EndpointBook {
  readonly #all = new Map<string, ClusterEndpointsConfig>();
  /** Clusters with news, and what was told of them before; undefined: nothing. */
  readonly #told = new Map<string, ClusterEndpointsConfig | undefined>();
  /** Parts that wait for their turn, in order. */
  #parts: EndpointChangesConfig[] = [];

  put(endpoints: ClusterEndpointsConfig): void {
    const name = endpoints.clusterName;
    if (!this.#told.has(name)) this.#told.set(name, this.#all.get(name));
    this.#all.set(name, endpoints);
  }

  remove(name: string): void {
    this.#all.delete(name);
    this.#told.delete(name);
    this.#dropParts(name);
  }

  /** Everything in force. */
  all(): readonly ClusterEndpointsConfig[] {
    return [...this.#all.values()];
  }

  /** Whether there are parts that wait. */
  get partsLeft(): boolean {
    return this.#parts.length > 0;
  }

  /**
   * What to tell now. `whole`: asks which clusters are to be told whole (new ones, and those whose balancer goes by the order
   * of hosts). `nextPart`: workers are through with the last one.
   */
  take(whole: (clusterName: string) => boolean, nextPart: boolean): EndpointNews {
    const wholes: ClusterEndpointsConfig[] = [];
    const changes: EndpointChangesConfig[] = [];
    const due = nextPart && this.partsLeft;
    for (const [name, told] of this.#told) {
      const now = this.#all.get(name)!;
      const all = whole(name);
      if (told === undefined || (all && countOf(now.localities) <= HOSTS_PER_PART)) {
        this.#dropParts(name);
        const [first, ...rest] = partsOf(now.localities);
        wholes.push({ ...now, localities: first ?? now.localities });
        for (const put of rest) this.#parts.push(changesOf(now, { put, removed: [] }));
        continue;
      }
      for (const part of changeParts(told, now, all)) {
        // After what still waits of the same cluster.
        const waits = this.#parts.some(({ clusterName }) => clusterName === name);
        const large = countOf(part.put) + part.removed.length >= HOSTS_PER_PART;
        if (waits || large) this.#parts.push(part);
        else changes.push(part);
      }
    }
    this.#told.clear();
    // Last: what is told whole now has thrown its parts away.
    if (due && this.partsLeft) changes.push(this.#parts.shift()!);
    return { whole: wholes, changes };
  }

  #dropParts(name: string): void {
    if (this.#parts.length > 0)
      this.#parts = this.#parts.filter(({ clusterName }) => clusterName !== name);
  }
}

/** Hosts that come are told first, so that there are always some. `all`: those that did not change, too. */
function changeParts(
  told: ClusterEndpointsConfig,
  now: ClusterEndpointsConfig,
  all: boolean,
): readonly EndpointChangesConfig[] {
  const diff = diffEndpoints(told, now);
  const puts = partsOf(all ? now.localities : diff.put);
  if (!all && puts.length <= 1 && diff.removed.length <= HOSTS_PER_PART)
    return [changesOf(now, diff)];
  const parts = puts.map((put) => changesOf(now, { put, removed: [] }));
  for (let i = 0; i < diff.removed.length; i += HOSTS_PER_PART)
    parts.push(changesOf(now, { put: [], removed: diff.removed.slice(i, i + HOSTS_PER_PART) }));
  return parts;
}

const countOf = (localities: readonly LocalityEndpointsConfig[]): number =>
  localities.reduce((count, { endpoints }) => count + endpoints.length, 0);

function partsOf(
  localities: readonly LocalityEndpointsConfig[],
): readonly (readonly LocalityEndpointsConfig[])[] {
  if (countOf(localities) <= HOSTS_PER_PART) return localities.length === 0 ? [] : [localities];
  const parts: LocalityEndpointsConfig[][] = [[]];
  let room = HOSTS_PER_PART;
  for (const locality of localities) {
    const { endpoints } = locality;
    for (let at = 0; at < endpoints.length;) {
      if (room === 0) {
        parts.push([]);
        room = HOSTS_PER_PART;
      }
      const slice = endpoints.slice(at, at + room);
      parts.at(-1)!.push({ ...locality, endpoints: slice });
      at += slice.length;
      room -= slice.length;
    }
  }
  return parts;
}
