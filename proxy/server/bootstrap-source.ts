// [m] The bootstrap from file and command line to one message: read, parse (JSON or YAML), merge (envoy-behaviour §14.4).
import { createRequire, fs } from '../base/node-builtins.ts';
import { decode, encode } from '../../xds-protos/codec.ts';
import type { Bootstrap } from '../../xds-protos/gen/envoy.config.bootstrap.v3.ts';
import { fromJson, ProtoJsonError } from '../../xds-protos/proto-json.ts';
import type { FromJsonOptions } from '../../xds-protos/json-to-message.ts';
import type { FieldObserver } from '../xds/config-problems.ts';
import type { ServerOptions } from './options.ts';

export const BOOTSTRAP_TYPE = 'envoy.config.bootstrap.v3.Bootstrap';

/** A bootstrap is kilobytes; what is larger is a mistake. */
const MAX_BYTES = 16 * 1024 * 1024;
/** Against "billion laughs". */
const MAX_YAML_ALIASES = 1000;

/** An operator's mistake, told with the place. The process ends with exit code 1. */
export class BootstrapError extends Error {
  override readonly name = 'BootstrapError';
}

/** File and `--config-yaml` merged as protobuf merges: scalars of the later win, lists are joined. */
export async function readBootstrap(
  options: ServerOptions,
  watch?: Pick<FieldObserver, 'atJson'>,
): Promise<Bootstrap> {
  const { allowUnknownStaticFields: allowUnknown } = options;
  const fields = { allowUnknown, ...watch?.atJson('') };
  const sources: Bootstrap[] = [];
  if (options.configPath !== '') {
    const place = `bootstrap '${options.configPath}'`;
    const text = readText(options.configPath, place);
    const isJson = options.configPath.endsWith('.json');
    const json = isJson ? parseJson(text, place) : await parseYaml(text, place);
    sources.push(toMessage(json, place, fields));
  }
  if (options.configYaml !== '') {
    const json = await parseYaml(options.configYaml, '--config-yaml');
    sources.push(toMessage(json, '--config-yaml', fields));
  }
  return withFlags(merge(sources), options);
}

function readText(path: string, place: string): string {
  if (/\.(pb|pb_text)$/.test(path)) {
    throw new BootstrapError(`${place}: protobuf files are not read; give JSON or YAML`);
  }
  try {
    const { size } = fs.statSync(path);
    if (size > MAX_BYTES)
      throw new BootstrapError(`${place}: has ${size} bytes, at most ${MAX_BYTES} are read`);
    return new TextDecoder('utf-8', { fatal: true }).decode(fs.readFileSync(path));
  } catch (error) {
    if (error instanceof BootstrapError) throw error;
    if (error instanceof TypeError) throw new BootstrapError(`${place}: is not UTF-8 text`);
    throw new BootstrapError(
      `${place}: cannot be read (${(error as Error).message}); check --config-path`,
    );
  }
}

function parseJson(text: string, place: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BootstrapError(`${place}: is not JSON: ${(error as Error).message}`);
  }
}

async function parseYaml(text: string, place: string): Promise<unknown> {
  // Loaded only here: pilot-agent writes JSON, and a sidecar starts 25 ms sooner without.
  const { parseDocument } = createRequire(import.meta.url)('yaml') as typeof import('yaml');
  const document = parseDocument(text, { version: '1.2', schema: 'core', uniqueKeys: true });
  const fault = document.errors[0];
  // The message of the parser names line and column and shows the line.
  if (fault !== undefined)
    throw new BootstrapError(`${place}: is not YAML: ${fault.message.trimEnd()}`);
  try {
    return document.toJS({ maxAliasCount: MAX_YAML_ALIASES }) as unknown;
  } catch (error) {
    throw new BootstrapError(`${place}: is not YAML: ${(error as Error).message}`);
  }
}

function toMessage(json: unknown, place: string, fields: FromJsonOptions): Bootstrap {
  if (json === null || typeof json !== 'object' || Array.isArray(json)) {
    throw new BootstrapError(`${place}: must be an object with the fields of a Bootstrap message`);
  }
  try {
    return fromJson(BOOTSTRAP_TYPE, json, '', fields);
  } catch (error) {
    if (!(error instanceof ProtoJsonError)) throw error;
    const lines = error.errors.map(({ path, message }) =>
      path === '' ? message : `${path}: ${message}`,
    );
    throw new BootstrapError(`${place}: ${lines.join('\n  ')}`);
  }
}

/** Bytes of messages put one after the other are, by the rules of protobuf, the bytes of the merged message. */
function merge(sources: readonly Bootstrap[]): Bootstrap {
  if (sources.length === 1) return sources[0]!;
  return decode(
    BOOTSTRAP_TYPE,
    Buffer.concat(sources.map((source) => encode(BOOTSTRAP_TYPE, source))),
  );
}

/** `--service-*` win over the bootstrap, as in Envoy; `--stats-tag` adds. */
function withFlags(bootstrap: Bootstrap, options: ServerOptions): Bootstrap {
  const node = { ...bootstrap.node };
  if (options.serviceNode !== '') node.id = options.serviceNode;
  if (options.serviceCluster !== '') node.cluster = options.serviceCluster;
  if (options.serviceZone !== '') node.locality = { ...node.locality, zone: options.serviceZone };
  if (options.statsTags.length === 0) return { ...bootstrap, node };
  const tags = options.statsTags.map(({ name, value }) => ({ tag_name: name, fixed_value: value }));
  const statsTags = [...(bootstrap.stats_config?.stats_tags ?? []), ...tags];
  return { ...bootstrap, node, stats_config: { ...bootstrap.stats_config, stats_tags: statsTags } };
}
