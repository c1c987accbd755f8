// [m] Recordings of istiod beside what we generate for the same YAML and node: decoded, normalised, compared field by field.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { ConfigSet } from '../../../agent/control-plane/config-store.ts';
import { readDocuments } from '../../../agent/control-plane/document-reader.ts';
import type { ConfigProblem } from '../../../agent/control-plane/config-problem.ts';
import { defaultMeshConfig } from '../../../agent/control-plane/mesh-config.ts';
import { readProxyNode } from '../../../agent/control-plane/proxy-node.ts';
import type { PushContext } from '../../../agent/control-plane/push-context.ts';
import {
  generateAll,
  generateNamed,
  isWildcardType,
  packResource,
  RESOURCE_TYPES,
} from '../../../agent/control-plane/resource-generator.ts';
import type { ResourceType } from '../../../agent/control-plane/resource-generator.ts';
import { parseYamlFile } from '../../../agent/control-plane/yaml-document.ts';
import { unpackAny } from '../../../xds-protos/any.ts';
import { decode } from '../../../xds-protos/codec.ts';
import { toJson } from '../../../xds-protos/proto-json.ts';
import type { Any, JsonValue } from '../../../xds-protos/well-known-types.ts';
import { differences } from './differences.ts';
import type { Difference } from './differences.ts';

export const fixtures = join(import.meta.dirname, '../../fixtures/istiod');
const FILES: Readonly<Record<ResourceType, string>> = {
  cluster: '01-cds',
  endpoint: '02-eds',
  listener: '03-lds',
  route: '04-rds',
  'name-table': '05-nds',
};

export type Resources = ReadonlyMap<string, JsonValue>;

/** Configuration of texts instead of a folder; its errors are the caller's to look at. */
export function configOf(files: Readonly<Record<string, string>>): ConfigSet {
  const problems: ConfigProblem[] = [];
  const contents = Object.entries(files).map(([file, text]) => {
    const parsed = parseYamlFile(file, text);
    problems.push(...parsed.problems);
    return readDocuments(file, parsed.documents, problems);
  });
  const mesh = contents.find((content) => content.mesh !== undefined)?.mesh ?? defaultMeshConfig;
  return { items: contents.flatMap(({ items }) => items), mesh, problems };
}

export function scenarioConfig(scenario: string): ConfigSet {
  return configOf({
    'config.yaml': readFileSync(join(fixtures, scenario, 'config.yaml'), 'utf8'),
    'mesh.yaml': readFileSync(join(fixtures, 'mesh.yaml'), 'utf8'),
  });
}

function unpacked(any: Any): JsonValue {
  const found = unpackAny(any);
  if (found === undefined) throw new Error(`unknown type ${any.type_url}`);
  return toJson(found.type, found.message);
}

function recordedResources(folder: string, type: ResourceType): { name: string; any: Any }[] {
  const bytes = readFileSync(join(folder, `${FILES[type]}.pb`));
  if (!folder.endsWith('-sotw')) {
    const { resources = [] } = decode('envoy.service.discovery.v3.DeltaDiscoveryResponse', bytes);
    return resources.map(({ name = '', resource }) => ({ name, any: resource! }));
  }
  const { resources = [] } = decode('envoy.service.discovery.v3.DiscoveryResponse', bytes);
  return resources.map((any) => {
    const json = unpacked(any) as Record<string, JsonValue>;
    return { name: String(json['name'] ?? json['cluster_name'] ?? ''), any };
  });
}

interface NodeFile {
  readonly id: string;
  readonly metadata: unknown;
}

export interface Comparison {
  readonly type: ResourceType;
  readonly recorded: Resources;
  readonly generated: Resources;
  /** Names in the order of istiod and in ours. */
  readonly recordedOrder: readonly string[];
  readonly generatedOrder: readonly string[];
}

/** All types of one recorded node. */
export function compareRecording(scenario: string, node: string, push: PushContext): Comparison[] {
  const folder = join(fixtures, scenario, node);
  const { id, metadata } = JSON.parse(readFileSync(join(folder, 'node.json'), 'utf8')) as NodeFile;
  const view = push.viewOf(readProxyNode(id, metadata));
  return RESOURCE_TYPES.map((type) => {
    const recorded = recordedResources(folder, type);
    const ours = isWildcardType(type)
      ? generateAll(type, push, view)
      : recorded.map(({ name }) => generateNamed(type, name, push, view));
    return {
      type,
      recorded: new Map(recorded.map(({ name, any }) => [name, normalise(unpacked(any))])),
      generated: new Map(
        ours.map((resource) => [resource.name, normalise(unpacked(packResource(type, resource)))]),
      ),
      recordedOrder: recorded.map(({ name }) => name),
      generatedOrder: ours.map(({ name }) => name),
    };
  });
}

const addressOf = (endpoint: JsonValue): string =>
  JSON.stringify((endpoint as Record<string, JsonValue>)['endpoint']);

/** See the table of normalisations. */
function normalise(value: JsonValue, key = ''): JsonValue {
  if (Array.isArray(value)) {
    const items = value.map((item) => normalise(item));
    return key === 'lb_endpoints'
      ? items.sort((a, b) => (addressOf(a) < addressOf(b) ? -1 : 1))
      : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((name) => [name, normalise(value[name]!, name)]),
  );
}

export interface FoundDifference {
  readonly path: string;
  readonly recorded: JsonValue | undefined;
  readonly generated: JsonValue | undefined;
}

const isBranch = (value: JsonValue | undefined): value is JsonValue[] | Record<string, JsonValue> =>
  typeof value === 'object' && value !== null;

/** Every leaf that differs; a list of plain values is a leaf. */
function diff(
  recorded: JsonValue | undefined,
  generated: JsonValue | undefined,
  path: string,
  found: FoundDifference[],
): void {
  const plainList = Array.isArray(recorded) && recorded.every((item) => !isBranch(item));
  if (
    !isBranch(recorded) ||
    !isBranch(generated) ||
    plainList ||
    Array.isArray(recorded) !== Array.isArray(generated)
  ) {
    if (JSON.stringify(recorded) !== JSON.stringify(generated))
      found.push({ path, recorded, generated });
    return;
  }
  const left = new Map(Object.entries(recorded));
  const right = new Map(Object.entries(generated));
  for (const name of new Set([...left.keys(), ...right.keys()]))
    diff(left.get(name), right.get(name), `${path}/${name}`, found);
}

export function differencesOf({ type, recorded, generated }: Comparison): FoundDifference[] {
  const found: FoundDifference[] = [];
  for (const name of new Set([...recorded.keys(), ...generated.keys()])) {
    diff(recorded.get(name), generated.get(name), `${type}/${name}`, found);
  }
  return found;
}

function pathMatches(pattern: string, path: string): boolean {
  const wanted = pattern.split('/');
  const steps = path.split('/');
  return (
    wanted.length === steps.length && wanted.every((step, at) => step === '*' || step === steps[at])
  );
}

/** The row of the table that declares it. */
export function declared(recording: string, path: string): Difference | undefined {
  return differences.find(
    (row) => (row.recording === '*' || row.recording === recording) && pathMatches(row.path, path),
  );
}
