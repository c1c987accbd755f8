// [m] A DiscoveryResponse in a file (envoy-behaviour §13.1, path_config_source): JSON, YAML or protobuf, by the ending of its name.
import { decode } from '../../xds-protos/codec.ts';
import type { DiscoveryResponse } from '../../xds-protos/gen/envoy.service.discovery.v3.ts';
import { fromJson } from '../../xds-protos/proto-json.ts';
import { createRequire, fs } from '../base/node-builtins.ts';

const RESPONSE = 'envoy.service.discovery.v3.DiscoveryResponse';
/** As the answer of a server may have. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;
/** Against "billion laughs". */
const MAX_YAML_ALIASES = 1000;

/** Rejects in words, which show nothing of the file: it may hold keys. */
export async function readDiscoveryFile(path: string): Promise<DiscoveryResponse> {
  const bytes = readBytes(path);
  const ending = path.slice(path.lastIndexOf('.') + 1).toLowerCase();
  if (ending === 'pb') return decode(RESPONSE, bytes);
  if (ending !== 'json' && ending !== 'yaml' && ending !== 'yml')
    throw new Error(`${path}: only .json, .yaml, .yml and .pb files are read`);
  const value = await parsed(path, bytes.toString('utf8'), ending === 'json');
  return fromJson(RESPONSE, value, '', { allowUnknown: true });
}

function readBytes(path: string): Buffer {
  try {
    if (fs.statSync(path).size > MAX_FILE_BYTES) throw new Error('too large');
    return fs.readFileSync(path);
  } catch {
    throw new Error(`unable to read file: ${path}`);
  }
}

async function parsed(path: string, text: string, isJson: boolean): Promise<unknown> {
  // Messages of the parsers show the text they stumble over.
  try {
    if (isJson) return JSON.parse(text) as unknown;
    const { parse } = createRequire(import.meta.url)('yaml') as typeof import('yaml');
    return parse(text, { maxAliasCount: MAX_YAML_ALIASES, schema: 'core' }) as unknown;
  } catch {
    throw new Error(`Unable to parse ${path}`);
  }
}
