// Flags and environment of one Bookinfo service; runs in the service's own process. Flags win over environment.
import { isIP } from 'node:net';
import process from 'node:process';
import { parseArgs } from 'node:util';

/** Where a service listens, who it is, and where it finds the others. */
export interface ServiceOptions {
  readonly listenAddress: string;
  readonly listenPort: number;
  /** `v1`, `v2`, `v3`; sent with every answer. */
  readonly version: string;
  /** Name of this instance; sent with every answer. */
  readonly pod: string;
  /** Base URLs by service name; default `http://<name>:9080`. */
  readonly upstreams: ReadonlyMap<string, URL>;
  /** Host names that are not asked of DNS, as curl's `--resolve`: name to IP address. */
  readonly hosts: ReadonlyMap<string, string>;
  /** How long one call to another service may take; default 10 000. */
  readonly callTimeoutMs: number;
}

export class UsageError extends Error {}

const UPSTREAM_NAMES = ['details', 'reviews', 'ratings'] as const;

const USAGE = `usage: node samples/bookinfo/<service>.ts [flags]
  --listen ADDRESS:PORT   default 0.0.0.0:9080          (LISTEN)
  --version v1            default v1                    (SERVICE_VERSION)
  --pod NAME              default <service>-<version>   (POD_NAME)
  --upstream NAME=URL     default http://NAME:9080      (DETAILS_URL, REVIEWS_URL, RATINGS_URL)
  --resolve NAME=ADDRESS  dial ADDRESS for host NAME    (RESOLVE, separated by spaces)
  --call-timeout MS       default 10000                 (CALL_TIMEOUT_MS)`;

function readNumber(text: string, flag: string, most: number): number {
  const value = /^[0-9]{1,7}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= most)) throw new UsageError(`${flag}: "${text}" is no whole number up to ${most}`);
  return value;
}

function readListen(text: string): { address: string; port: number } {
  const colon = text.lastIndexOf(':');
  const address = text.slice(0, colon).replace(/^\[|\]$/g, '');
  if (colon <= 0 || isIP(address) === 0) {
    throw new UsageError(`--listen: "${text}" is not ADDRESS:PORT, as in 127.0.0.1:9080`);
  }
  return { address, port: readNumber(text.slice(colon + 1), '--listen', 65_535) };
}

function readPairs(texts: readonly string[], flag: string): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const text of texts) {
    const equals = text.indexOf('=');
    if (equals <= 0) throw new UsageError(`${flag}: "${text}" is not NAME=VALUE`);
    pairs.set(text.slice(0, equals), text.slice(equals + 1));
  }
  return pairs;
}

function readUpstreams(
  given: ReadonlyMap<string, string>,
  env: NodeJS.ProcessEnv,
): Map<string, URL> {
  const upstreams = new Map<string, URL>();
  for (const name of UPSTREAM_NAMES) {
    const text = given.get(name) ?? env[`${name.toUpperCase()}_URL`] ?? `http://${name}:9080`;
    if (!URL.canParse(text) || !text.startsWith('http://')) {
      throw new UsageError(`--upstream: "${text}" is no http:// URL`);
    }
    upstreams.set(name, new URL(text));
  }
  for (const name of given.keys()) {
    if (!upstreams.has(name)) throw new UsageError(`--upstream: no service is called "${name}"`);
  }
  return upstreams;
}

function readHosts(texts: readonly string[]): Map<string, string> {
  const hosts = readPairs(texts, '--resolve');
  for (const [name, address] of hosts) {
    if (isIP(address) === 0)
      throw new UsageError(`--resolve: ${name}="${address}" is no IP address`);
  }
  return hosts;
}

/** Throws UsageError with all a person needs to fix the command line. */
export function readServiceOptions(
  service: string,
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
): ServiceOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      listen: { type: 'string' },
      version: { type: 'string' },
      pod: { type: 'string' },
      upstream: { type: 'string', multiple: true },
      resolve: { type: 'string', multiple: true },
      'call-timeout': { type: 'string' },
    },
  });
  const listen = readListen(values.listen ?? env['LISTEN'] ?? '0.0.0.0:9080');
  const version = values.version ?? env['SERVICE_VERSION'] ?? 'v1';
  return {
    listenAddress: listen.address,
    listenPort: listen.port,
    version,
    pod: values.pod ?? env['POD_NAME'] ?? `${service}-${version}`,
    upstreams: readUpstreams(readPairs(values.upstream ?? [], '--upstream'), env),
    hosts: readHosts(
      values.resolve ?? (env['RESOLVE'] ?? '').split(' ').filter((text) => text !== ''),
    ),
    callTimeoutMs: readNumber(
      values['call-timeout'] ?? env['CALL_TIMEOUT_MS'] ?? '10000',
      '--call-timeout',
      3_600_000,
    ),
  };
}

/** As readServiceOptions, for a process's own start: prints what is wrong and leaves with 2. */
export function serviceOptionsOrExit(service: string): ServiceOptions {
  try {
    return readServiceOptions(service, process.argv.slice(2), process.env);
  } catch (error) {
    process.stderr.write(
      `${USAGE}\n${service}: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    process.exit(2);
  }
}
