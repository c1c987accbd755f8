// [m] Decodes layered runtime: static layers become flat keys, nested structs joined with dots (envoy-behaviour §15).
import type { Bootstrap, RuntimeLayer } from '../../xds-protos/gen/envoy.config.bootstrap.v3.ts';
import type { JsonObject, JsonValue } from '../../xds-protos/well-known-types.ts';
import type { RuntimeLayerConfig } from '../config/bootstrap-config.ts';
import type { FieldReader } from './field-reader.ts';

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
    const values = new Map<string, string>();
    flatten(static_layer, '', values);
    return { name, kind: 'static', values };
  }
  if (reader.has('admin_layer')) return { name, kind: 'admin', values: NO_VALUES };
  if (!reader.has('disk_layer') && !reader.has('rtds_layer')) {
    reader.problem('', 'one of static_layer, admin_layer is required');
  }
  return { name, kind: 'inert', values: NO_VALUES };
}

function flatten(struct: JsonObject, prefix: string, into: Map<string, string>): void {
  for (const [key, value] of Object.entries(struct)) {
    const name = prefix === '' ? key : `${prefix}.${key}`;
    if (isStruct(value) && !('numerator' in value)) flatten(value, name, into);
    else into.set(name, typeof value === 'string' ? value : JSON.stringify(value));
  }
}

const isStruct = (value: JsonValue): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A later layer wins. */
export function mergeLayers(layers: readonly RuntimeLayerConfig[]): ReadonlyMap<string, string> {
  return new Map(layers.flatMap((layer) => [...layer.values]));
}
