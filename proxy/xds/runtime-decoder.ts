// [m] Decodes layered runtime: static layers become flat keys, nested structs joined with dots (envoy-behaviour §15).
import type { Bootstrap, RuntimeLayer } from '../../xds-protos/gen/envoy.config.bootstrap.v3.ts';
import type { JsonObject, JsonValue } from '../../xds-protos/well-known-types.ts';
import type { RuntimeLayerConfig } from '../config/bootstrap-config.ts';
import type { Runtime as RuntimeMessage } from '../../xds-protos/gen/envoy.service.runtime.v3.ts';
import type { RuntimeValuesConfig } from '../config/runtime-layer-config.ts';
import { ConfigProblems } from './config-problems.ts';
import type { FieldObserver } from './config-problems.ts';
import { decodeConfigSource } from './config-source.ts';
import { FieldReader } from './field-reader.ts';

export function decodeRuntimeLayers(reader: FieldReader<Bootstrap>): readonly RuntimeLayerConfig[] {
  const seen = new Set<string>();
  let adminLayers = 0;
  return (reader.child('layered_runtime')?.children('layers') ?? []).map((layer) => {
    const name = layer.requiredString('name');
    if (seen.has(name)) layer.problem('name', `Duplicate layer name: ${name}`);
    seen.add(name);
    const config = decodeLayer(layer, name);
    if (config.kind === 'admin' && ++adminLayers > 1) {
      layer.problem(
        'admin_layer',
        'Too many admin layers specified in LayeredRuntime, at most one may be specified',
      );
    }
    return config;
  });
}

const NO_VALUES: ReadonlyMap<string, string> = new Map();

function decodeLayer(reader: FieldReader<RuntimeLayer>, name: string): RuntimeLayerConfig {
  const { static_layer } = reader.message;
  if (static_layer !== undefined) {
    const { values, message } = layerValues(static_layer);
    if (message !== undefined) reader.problem('static_layer', message);
    return { name, kind: 'static', values };
  }
  if (reader.has('admin_layer')) return { name, kind: 'admin', values: NO_VALUES };
  const rtds = reader.child('rtds_layer');
  if (rtds !== undefined) {
    const from = decodeConfigSource(rtds.required('rtds_config'));
    const ref = { name: rtds.nonEmpty('name') ?? name, ...from };
    return { name, kind: 'rtds', values: NO_VALUES, rtds: ref };
  }
  if (!reader.has('disk_layer')) {
    reader.problem('', 'one of static_layer, admin_layer is required');
  }
  return { name, kind: 'inert', values: NO_VALUES };
}

interface LayerValues {
  readonly values: ReadonlyMap<string, string>;
  /** What is wrong with them. */
  readonly message: string | undefined;
}

function layerValues(struct: JsonObject): LayerValues {
  const values = new Map<string, string>();
  const list = flatten(struct, '', values);
  return {
    values,
    message: list === undefined ? undefined : `Invalid runtime entry value for ${list}`,
  };
}

/** Of RTDS. Throws ConfigError. */
export function decodeRuntimeValues(
  message: RuntimeMessage,
  version: string,
  watch?: FieldObserver,
): RuntimeValuesConfig {
  const problems = new ConfigProblems(watch);
  const reader = new FieldReader(message, '', problems);
  const name = reader.requiredString('name');
  const { values, message: problem } = layerValues(message.layer ?? {});
  if (problem !== undefined) reader.problem('layer', problem);
  problems.throwIfAny();
  return { name, version, values };
}

/** A key whose value is a list: there is none. */
function flatten(
  struct: JsonObject,
  prefix: string,
  into: Map<string, string>,
): string | undefined {
  for (const [key, value] of Object.entries(struct)) {
    const name = prefix === '' ? key : `${prefix}.${key}`;
    if (Array.isArray(value)) return name;
    if (isStruct(value) && !('numerator' in value)) {
      const list = flatten(value, name, into);
      if (list !== undefined) return list;
    } else into.set(name, typeof value === 'string' ? value : JSON.stringify(value));
  }
  return undefined;
}

const isStruct = (value: JsonValue): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A later layer wins. */
export function mergeLayers(layers: readonly RuntimeLayerConfig[]): ReadonlyMap<string, string> {
  return new Map(layers.flatMap((layer) => [...layer.values]));
}
