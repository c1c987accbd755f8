// [m] ProxyConfig: defaults < mesh config file < PROXY_CONFIG < pod annotation, merged and checked. Istio: pkg/config/mesh, pkg/bootstrap.
import { parseDurationMs } from './durations.ts';

export interface ProxyConfig {
  readonly binaryPath: string;
  readonly configPath: string;
  readonly discoveryAddress: string;
  readonly controlPlaneAuthPolicy: 'NONE' | 'MUTUAL_TLS';
  /** Worker threads; undefined: the CPU limit decides; 0: all CPUs. */
  readonly concurrency: number | undefined;
  readonly drainDurationMs: number;
  readonly terminationDrainDurationMs: number;
  readonly proxyAdminPort: number;
  readonly statusPort: number;
  readonly serviceCluster: string;
  /** Undefined: `serviceCluster` counts. */
  readonly tracingServiceName: TracingServiceName | undefined;
  readonly proxyMetadata: ReadonlyMap<string, string>;
  readonly runtimeValues: ReadonlyMap<string, string>;
  readonly extraStatTags: readonly string[];
  readonly statsMatcher: StatsMatcher;
  /** The merged message in its JSON form; goes into the node metadata as it is. */
  readonly message: JsonObject;
}

const TRACING_SERVICE_NAMES = [
  'APP_LABEL_AND_NAMESPACE',
  'CANONICAL_NAME_ONLY',
  'CANONICAL_NAME_AND_NAMESPACE',
] as const;
export type TracingServiceName = (typeof TRACING_SERVICE_NAMES)[number];

export interface StatsMatcher {
  readonly prefixes: readonly string[];
  readonly suffixes: readonly string[];
  readonly regexps: readonly string[];
}

export type JsonObject = { [name: string]: unknown };

/** One source of ProxyConfig: `place` is how an operator knows it. */
export interface ProxyConfigSource {
  readonly place: string;
  readonly text: string;
  /** The message is the value of this field; undefined: the whole text. */
  readonly field?: string;
}

const MAX_CONFIG_CHARS = 1_048_576;

/** Objects from outside get no prototype, so that no name in them means anything to JavaScript. */
export const emptyObject = (): JsonObject => Object.create(null) as JsonObject;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Bounded; an error's message says what is wrong. */
export async function parseJsonOrYaml(text: string): Promise<unknown> {
  if (text.length > MAX_CONFIG_CHARS)
    throw new Error(`is longer than ${MAX_CONFIG_CHARS} characters`);
  try {
    return JSON.parse(text);
  } catch {
    // The YAML package costs memory for the life of the process; an injected pod never needs it.
    const { parse } = await import('yaml');
    return parse(text, { maxAliasCount: 50, schema: 'core' });
  }
}

function mergeInto(target: JsonObject, source: JsonObject): void {
  for (const [name, value] of Object.entries(source)) {
    const before = target[name];
    if (isObject(value)) {
      const merged = emptyObject();
      if (isObject(before)) mergeInto(merged, before);
      mergeInto(merged, value);
      target[name] = merged;
    } else if (value !== null) {
      target[name] = value;
    }
  }
}

const isPort = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535;

/** Reads fields of the merged message; every problem names its field. */
class FieldReader {
  readonly #message: JsonObject;
  readonly #problems: string[];

  constructor(message: JsonObject, problems: string[]) {
    this.#message = message;
    this.#problems = problems;
  }

  #wrong(name: string, wanted: string): void {
    const given = JSON.stringify(this.#message[name]);
    this.#problems.push(`ProxyConfig.${name}: ${given} is not ${wanted}`);
  }

  text(name: string): string {
    const value = this.#message[name];
    if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value;
    this.#wrong(name, 'a text that is not empty');
    return '';
  }

  port(name: string): number {
    const value = this.#message[name];
    if (isPort(value)) return value;
    this.#wrong(name, 'a port from 1 to 65535');
    return 0;
  }

  durationMs(name: string): number {
    const value = this.#message[name];
    const ms = typeof value === 'string' ? parseDurationMs(value) : undefined;
    if (ms !== undefined) return ms;
    this.#wrong(name, 'a duration such as 45s');
    return 0;
  }

  count(name: string, most: number): number | undefined {
    const value = this.#message[name];
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most)
      return value;
    this.#wrong(name, `a whole number from 0 to ${most}`);
    return undefined;
  }

  texts(name: string): ReadonlyMap<string, string> {
    const value = this.#message[name];
    const read = new Map<string, string>();
    if (value === undefined) return read;
    if (!isObject(value)) {
      this.#wrong(name, 'an object of texts');
      return read;
    }
    for (const [key, entry] of Object.entries(value)) {
      if (typeof entry === 'object')
        this.#problems.push(`ProxyConfig.${name}.${key}: must be a text`);
      else read.set(key, String(entry as string | number | boolean));
    }
    return read;
  }

  list(name: string, within: JsonObject = this.#message): readonly string[] {
    const value = within[name];
    if (value === undefined) return [];
    if (Array.isArray(value) && value.every((entry) => typeof entry === 'string')) return value;
    this.#problems.push(`ProxyConfig.${name}: must be a list of texts`);
    return [];
  }

  authPolicy(): 'NONE' | 'MUTUAL_TLS' {
    const value = this.#message['controlPlaneAuthPolicy'];
    if (value === 'NONE' || value === 0) return 'NONE';
    if (value === 'MUTUAL_TLS' || value === 1) return 'MUTUAL_TLS';
    this.#wrong('controlPlaneAuthPolicy', 'NONE or MUTUAL_TLS');
    return 'MUTUAL_TLS';
  }

  tracingServiceName(): TracingServiceName | undefined {
    const value = this.#message['tracingServiceName'];
    if (value === undefined) return undefined;
    const name = TRACING_SERVICE_NAMES.find((known, number) => known === value || number === value);
    if (name === undefined) this.#wrong('tracingServiceName', TRACING_SERVICE_NAMES.join(' or '));
    return name;
  }

  statsMatcher(): StatsMatcher {
    const value = this.#message['proxyStatsMatcher'];
    const within = isObject(value) ? value : emptyObject();
    return {
      prefixes: this.list('inclusionPrefixes', within),
      suffixes: this.list('inclusionSuffixes', within),
      regexps: this.list('inclusionRegexps', within),
    };
  }
}

function defaultMessage(binaryPath: string): JsonObject {
  return Object.assign(emptyObject(), {
    binaryPath,
    configPath: './etc/istio/proxy',
    controlPlaneAuthPolicy: 'MUTUAL_TLS',
    discoveryAddress: 'istiod.istio-system.svc:15012',
    drainDuration: '45s',
    proxyAdminPort: 15000,
    serviceCluster: 'istio-proxy',
    statNameLength: 189,
    statusPort: 15020,
    terminationDrainDuration: '5s',
  });
}

async function readSource(source: ProxyConfigSource, problems: string[]): Promise<JsonObject> {
  try {
    let value = await parseJsonOrYaml(source.text);
    if (source.field !== undefined && isObject(value)) value = value[source.field];
    if (value === undefined || value === null) return emptyObject();
    if (isObject(value)) return value;
    problems.push(`${source.place}: must be an object, as in {"discoveryAddress": "istiod:15010"}`);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
    problems.push(`${source.place}: is neither JSON nor YAML: ${reason}`);
  }
  return emptyObject();
}

/** Later sources win, field by field. All problems are collected; the result is only valid without any. */
export async function readProxyConfig(
  sources: readonly ProxyConfigSource[],
  defaultBinaryPath: string,
  problems: string[],
): Promise<ProxyConfig> {
  const message = defaultMessage(defaultBinaryPath);
  for (const source of sources) mergeInto(message, await readSource(source, problems));
  const fields = new FieldReader(message, problems);
  const authPolicy = fields.authPolicy();
  // proto3 JSON leaves the zero value of an enum out.
  if (authPolicy === 'NONE') delete message['controlPlaneAuthPolicy'];
  const serviceCluster = fields.text('serviceCluster');
  const tracingServiceName = fields.tracingServiceName();
  // Of a oneof.
  if (tracingServiceName !== undefined) delete message['serviceCluster'];
  return {
    binaryPath: fields.text('binaryPath'),
    configPath: fields.text('configPath'),
    discoveryAddress: fields.text('discoveryAddress'),
    controlPlaneAuthPolicy: authPolicy,
    concurrency: fields.count('concurrency', 1024),
    drainDurationMs: fields.durationMs('drainDuration'),
    terminationDrainDurationMs: fields.durationMs('terminationDrainDuration'),
    proxyAdminPort: fields.port('proxyAdminPort'),
    statusPort: fields.port('statusPort'),
    serviceCluster,
    tracingServiceName,
    proxyMetadata: fields.texts('proxyMetadata'),
    runtimeValues: fields.texts('runtimeValues'),
    extraStatTags: fields.list('extraStatTags'),
    statsMatcher: fields.statsMatcher(),
    message,
  };
}
