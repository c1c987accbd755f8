// @long @timeout 240 s
// [m] Every state of every recording, as an update of any other and from nothing, the types in any order, by delta and by state of the
// world: nothing is refused, and /config_dump and /clusters say what was pushed, byte for byte where they show bytes.
import { request } from 'node:http';
import { chmodSync, writeFileSync } from 'node:fs';
import t from 'tap';
import type { Test } from 'tap';

import { SeededRandom } from '../../proxy/base/random.ts';
import { decode } from '../../xds-protos/codec.ts';
import { toJson } from '../../xds-protos/proto-json.ts';
import { eventually } from '../support/eventually.ts';
import { PodNetwork, canUseNetns } from '../support/netns.ts';
import { privateDir } from '../support/private-dir.ts';
import { EMPTY, RECORDED_KINDS, recordedStates } from '../support/recorded-states.ts';
import type { RecordedKind, RecordedState } from '../support/recorded-states.ts';
import { allRecordings } from '../support/replay-control-plane.ts';
import { replayBootstrap, secretOfFiles, startProxyProcess } from '../support/replay-proxy.ts';
import { ScriptedControlPlane, TYPES } from '../support/scripted-control-plane.ts';
import { serveWorkloadSecrets } from '../support/secret-server.ts';

t.setTimeout(230_000);

const SEED = 20_261_127;
const NODE = '01-bookinfo/productpage';

/** By name: what there is of one kind, as text that two can be compared by. */
type Seen = Readonly<Record<RecordedKind, ReadonlyMap<string, string>>>;
interface Resource {
  readonly '@type': string;
  readonly name: string;
}
/** One entry of a section of /config_dump. */
interface Row {
  readonly cluster?: Resource;
  readonly route_config?: Resource;
  readonly endpoint_config?: Assignment;
  readonly ecds_filter?: Resource;
  readonly active_state?: { readonly listener: Resource };
  readonly warming_state?: { readonly listener: Resource };
}

interface Place {
  readonly address?: {
    readonly socket_address?: { readonly address: string; readonly port_value: number };
    readonly pipe?: { readonly path: string };
  };
}

const placeText = ({ address }: Place): string =>
  address?.socket_address === undefined
    ? (address?.pipe?.path ?? 'nowhere')
    : `${address.socket_address.address}:${address.socket_address.port_value}`;

interface Assignment {
  readonly cluster_name: string;
  readonly endpoints?: readonly {
    readonly lb_endpoints?: readonly { readonly endpoint: Place }[];
  }[];
}

/** The hosts, each once; the rest of an assignment is taken apart when it is applied. */
const hostsOf = ({ endpoints = [] }: Assignment): string =>
  [
    ...new Set(
      endpoints.flatMap(({ lb_endpoints = [] }) =>
        lb_endpoints.map(({ endpoint }) => placeText(endpoint)),
      ),
    ),
  ]
    .sort()
    .join(' ');

/** Keys sorted: entries of maps have no order. */
const textOf = (json: unknown): string =>
  JSON.stringify(json, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );

/** Filters whose settings are discovered, by name. */
function discoveredIn(json: unknown, names = new Set<string>()): ReadonlySet<string> {
  if (typeof json !== 'object' || json === null) return names;
  if ('config_discovery' in json && 'name' in json) names.add(String(json.name));
  for (const value of Object.values(json)) discoveredIn(value, names);
  return names;
}

function pushed({ resources }: RecordedState): Seen {
  const texts = (kind: 'clusters' | 'listeners' | 'routes' | 'extensions'): Map<string, string> =>
    new Map(
      [...resources[kind]].map(([name, any]) => [
        name,
        textOf(toJson(TYPES[kind], decode(TYPES[kind], any.value) as never)),
      ]),
    );
  const listeners = texts('listeners');
  const asked = new Set(
    [...listeners.values()].flatMap((text) =>
      [...text.matchAll(/"route_config_name":"([^"]*)"/g)].map((match) => match[1]!),
    ),
  );
  const discovered = discoveredIn(
    [...listeners.values()].map((text) => JSON.parse(text) as unknown),
  );
  const assignments = [...resources.endpoints].map(([name, any]): [string, string] => [
    name,
    hostsOf(toJson(TYPES.endpoints, decode(TYPES.endpoints, any.value)) as unknown as Assignment),
  ]);
  return {
    clusters: texts('clusters'),
    listeners,
    routes: new Map([...texts('routes')].filter(([name]) => asked.has(name))),
    endpoints: new Map(assignments),
    extensions: new Map([...texts('extensions')].filter(([name]) => discovered.has(name))),
  };
}

class Proxy {
  readonly #admin: string;

  constructor(admin: string) {
    this.#admin = admin;
  }

  async get(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const asked = request({ socketPath: this.#admin, path }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('end', () => resolve(text)).on('error', reject);
      });
      asked.on('error', reject).end();
    });
  }

  /** As /config_dump says; what waits or was refused is named as such. */
  async seen(): Promise<Seen> {
    const { configs } = JSON.parse(await this.get('/config_dump?include_eds')) as {
      configs: readonly Readonly<Record<string, readonly Row[]>>[];
    };
    const rows = (field: string): readonly Row[] =>
      configs.flatMap((section) => section[field] ?? []);
    const named = (state: string, all: readonly (Resource | undefined)[]): [string, string][] =>
      all.flatMap((resource): [string, string][] => {
        if (resource === undefined) return [];
        const { '@type': _type, ...rest } = resource;
        return [[`${state}${rest.name}`, textOf(rest)]];
      });
    const clusters = (field: string): (Resource | undefined)[] =>
      rows(field).map(({ cluster }) => cluster);
    const listeners = (state: 'active_state' | 'warming_state'): (Resource | undefined)[] =>
      rows('dynamic_listeners').map((row) => row[state]?.listener);
    const tables = rows('dynamic_route_configs').map(({ route_config: table }) => table);
    return {
      clusters: new Map([
        ...named('', clusters('dynamic_active_clusters')),
        ...named('warming ', clusters('dynamic_warming_clusters')),
      ]),
      listeners: new Map([
        ...named('', listeners('active_state')),
        ...named('warming ', listeners('warming_state')),
      ]),
      routes: new Map(named('', tables)),
      extensions: new Map(
        named(
          '',
          rows('ecds_filters').map(({ ecds_filter: filter }) => filter),
        ),
      ),
      endpoints: new Map(
        rows('dynamic_endpoint_configs').map(({ endpoint_config: config }) => {
          const assignment = config!;
          return [assignment.cluster_name, hostsOf(assignment)];
        }),
      ),
    };
  }

  /** Hosts by cluster, as /clusters says. */
  async hosts(): Promise<ReadonlyMap<string, string>> {
    const { cluster_statuses: clusters } = JSON.parse(await this.get('/clusters?format=json')) as {
      cluster_statuses: readonly {
        name: string;
        added_via_api?: boolean;
        host_statuses?: readonly Place[];
      }[];
    };
    return new Map(
      clusters
        .filter(({ added_via_api: added = false }) => added)
        .map(({ name, host_statuses: hosts = [] }) => [
          name,
          hosts.map(placeText).sort().join(' '),
        ]),
    );
  }
}

/** What is not as it should be, in words. */
function differences(expected: Seen, found: Seen): string[] {
  const problems: string[] = [];
  for (const kind of RECORDED_KINDS) {
    for (const [name, text] of expected[kind]) {
      const other = found[kind].get(name);
      if (other === undefined) problems.push(`${kind}: ${name} is missing`);
      else if (other !== text) problems.push(`${kind}: ${name} differs: ${other} for ${text}`);
    }
    // Clusters that are not asked of EDS have hosts, too.
    const known = kind === 'endpoints' ? expected.clusters : expected[kind];
    for (const name of found[kind].keys())
      if (!expected[kind].has(name) && !known.has(name))
        problems.push(`${kind}: ${name} is too much`);
  }
  return problems;
}

interface Running {
  readonly plane: ScriptedControlPlane;
  readonly proxy: Proxy;
  readonly log: readonly string[];
}

async function start(t: Test, sotw: boolean): Promise<Running> {
  const dir = privateDir(t);
  chmodSync(dir, 0o777);
  const plane = new ScriptedControlPlane();
  await plane.listen(`unix:${dir}/XDS`);
  t.teardown(() => plane.close());
  const secrets = await serveWorkloadSecrets(t, { target: `unix:${dir}/SDS` });
  secrets.server.make = (name) => secretOfFiles(name, secrets.authority);
  for (const socket of ['XDS', 'SDS']) chmodSync(`${dir}/${socket}`, 0o777);
  const admin = `${dir}/ADMIN`;
  writeFileSync(
    `${dir}/bootstrap.json`,
    JSON.stringify({
      ...replayBootstrap(NODE, dir, sotw),
      admin: { address: { pipe: { path: admin } } },
    }),
  );
  const network = canUseNetns() ? new PodNetwork(['pod']) : undefined;
  t.teardown(() => network?.close());
  const { log } = startProxyProcess(t, `${dir}/bootstrap.json`, network?.pod('pod'));
  const proxy = new Proxy(admin);
  await eventually('the proxy asks for clusters', () => plane.said('clusters').length > 0);
  return { plane, proxy, log };
}

function shuffled<T>(random: SeededRandom, all: readonly T[]): T[] {
  const keyed = all.map((item): [number, T] => [random.next(), item]);
  return keyed.toSorted(([a], [b]) => a - b).map(([, item]) => item);
}

/** From one state to another, the kinds in the given order. */
function move(
  plane: ScriptedControlPlane,
  from: RecordedState,
  to: RecordedState,
  order: readonly RecordedKind[],
): void {
  for (const kind of order) {
    const [before, after] = [from.resources[kind], to.resources[kind]];
    const changed = [...after].filter(
      ([name, any]) => !before.has(name) || !Buffer.from(any.value).equals(before.get(name)!.value),
    );
    const removed = [...before.keys()].filter((name) => !after.has(name));
    plane.update(kind, new Map(changed), removed);
  }
}

async function replayAll(t: Test, sotw: boolean): Promise<void> {
  const random = new SeededRandom(SEED);
  const { plane, proxy, log } = await start(t, sotw);
  const states = shuffled(random, allRecordings().flatMap(recordedStates));
  let before = EMPTY;
  let moves = 0;
  for (const state of states) {
    // One of three begins with nothing.
    const path = before !== EMPTY && random.next() < 0.33 ? [EMPTY, state] : [state];
    for (const next of path) {
      const order = shuffled(random, RECORDED_KINDS);
      move(plane, before, next, order);
      before = next;
      moves++;
      const expected = pushed(next);
      let problems: readonly string[] = [];
      const what = `${next.name}, by ${order.join(', ')}`;
      await eventually(what, async () => {
        problems = differences(expected, await proxy.seen());
        return problems.length === 0;
      }).catch(() => {});
      if (problems.length > 0) t.fail(what, { problems: problems.slice(0, 5) });
      const hosts = await proxy.hosts();
      t.strictSame([...hosts.keys()].sort(), [...expected.clusters.keys()].sort(), what);
      for (const [name, text] of expected.endpoints) {
        const cluster = [...hosts.keys()].find((each) => each === name);
        if (cluster !== undefined && hosts.get(cluster) !== text)
          t.equal(hosts.get(cluster), text, `${what}: hosts of ${cluster}`);
      }
    }
  }
  const nacks = plane.requests.filter(({ nack }) => nack !== '').map(({ nack }) => nack);
  t.strictSame(nacks, [], 'nothing is refused');
  t.comment(`${states.length} states, ${moves} moves`);
  t.equal(
    log.some((line) => /uncaught|assertion|critical/i.test(line)),
    false,
    'nothing is amiss',
  );
}

for (const sotw of [false, true])
  t.test(`by ${sotw ? 'state of the world' : 'delta'}`, { timeout: 110_000 }, (t) =>
    replayAll(t, sotw),
  );
