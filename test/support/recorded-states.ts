// [m] What a recording of istiod comes to: all resources after its first load and after each of its steps, whatever protocol it was
// recorded in. To be served in another order, by the other protocol, or as an update of another state.
import { readFileSync, readdirSync, existsSync } from 'node:fs';

import { decode } from '../../xds-protos/codec.ts';
import type { Any } from '../../xds-protos/well-known-types.ts';
import { RECORDINGS, isSotw } from './replay-control-plane.ts';
import { TYPES } from './scripted-control-plane.ts';

export type Resources = ReadonlyMap<string, Any>;

export interface RecordedState {
  /** Recording and step. */
  readonly name: string;
  readonly resources: Readonly<Record<RecordedKind, Resources>>;
}

export const RECORDED_KINDS = [
  'clusters',
  'endpoints',
  'listeners',
  'routes',
  'extensions',
] as const;
export type RecordedKind = (typeof RECORDED_KINDS)[number];

export const EMPTY: RecordedState = {
  name: 'nothing',
  resources: {
    clusters: new Map(),
    endpoints: new Map(),
    listeners: new Map(),
    routes: new Map(),
    extensions: new Map(),
  },
};

const nameIn: Readonly<Record<RecordedKind, (value: Uint8Array) => string>> = {
  clusters: (value) => decode(TYPES.clusters, value).name ?? '',
  endpoints: (value) => decode(TYPES.endpoints, value).cluster_name ?? '',
  listeners: (value) => decode(TYPES.listeners, value).name ?? '',
  routes: (value) => decode(TYPES.routes, value).name ?? '',
  extensions: (value) => decode(TYPES.extensions, value).name ?? '',
};

interface Steps {
  readonly initial: readonly number[];
  readonly steps: readonly { readonly name: string; readonly responses: readonly number[] }[];
}

export function recordedStates(recording: string): readonly RecordedState[] {
  const files = readdirSync(RECORDINGS + recording).filter((file) => file.endsWith('.pb'));
  const byNumber = new Map(files.map((file) => [Number(file.slice(0, 2)), file]));
  const path = `${RECORDINGS}${recording}/steps.json`;
  const { initial, steps } = existsSync(path)
    ? (JSON.parse(readFileSync(path, 'utf8')) as Steps)
    : { initial: [...byNumber.keys()], steps: [] };
  let { resources } = EMPTY;
  return [{ name: 'first load', responses: initial }, ...steps].map(({ name, responses }) => {
    for (const number of responses)
      resources = after(resources, recording, byNumber.get(number) ?? '');
    return { name: `${recording}, ${name}`, resources: withoutStrays(resources) };
  });
}

function after(
  before: RecordedState['resources'],
  recording: string,
  file: string,
): RecordedState['resources'] {
  const bytes = readFileSync(`${RECORDINGS}${recording}/${file}`);
  const sotw = isSotw(recording);
  const { type_url, resources, removed } = sotw ? sotwContent(bytes) : deltaContent(bytes);
  const kind = RECORDED_KINDS.find((each) => type_url.endsWith(`/${TYPES[each]}`));
  if (kind === undefined) return before;
  const whole = sotw && (kind === 'clusters' || kind === 'listeners');
  const after = new Map(whole ? [] : before[kind]);
  for (const any of resources) after.set(nameIn[kind](any.value), any);
  for (const name of removed) after.delete(name);
  return { ...before, [kind]: after };
}

interface Content {
  readonly type_url: string;
  readonly resources: readonly Any[];
  readonly removed: readonly string[];
}

function sotwContent(bytes: Uint8Array): Content {
  const { type_url = '', resources = [] } = decode(
    'envoy.service.discovery.v3.DiscoveryResponse',
    bytes,
  );
  return { type_url, resources, removed: [] };
}

function deltaContent(bytes: Uint8Array): Content {
  const message = decode('envoy.service.discovery.v3.DeltaDiscoveryResponse', bytes);
  return {
    type_url: message.type_url ?? '',
    resources: (message.resources ?? []).flatMap(({ resource }) => resource ?? []),
    removed: message.removed_resources ?? [],
  };
}

/** Endpoints of clusters that went: nobody asks for them any more, and nobody said that they are gone. */
function withoutStrays(resources: RecordedState['resources']): RecordedState['resources'] {
  const wanted = new Set<string>();
  for (const [name, any] of resources.clusters) {
    const { eds_cluster_config: eds } = decode(TYPES.clusters, any.value);
    if (eds !== undefined) wanted.add(eds.service_name === '' ? name : (eds.service_name ?? name));
  }
  const endpoints = new Map([...resources.endpoints].filter(([name]) => wanted.has(name)));
  return { ...resources, endpoints };
}
