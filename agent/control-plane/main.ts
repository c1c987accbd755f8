// [m] Entry of outrigger-control-plane: options, start, signals; or a check of the YAML without serving.
import { parseArgs } from 'node:util';

import { realTime } from '../../proxy/base/clock.ts';
import { endReadably } from '../../proxy/base/readable-stack.ts';
import { createLoggers, lineSink, parseOutputLevels } from '../log-sink.ts';
import { openCaFolder } from './ca/ca-folder.ts';
import { signToken } from './ca/service-account-token.ts';
import type { ServiceAccount } from './ca/service-account-token.ts';
import { formatProblem, hasErrors } from './config-problem.ts';
import { ConfigStore } from './config-store.ts';
import { startControlPlane } from './control-plane.ts';
import { MTLS_MODES } from './istio-model.ts';
import type { MtlsMode } from './istio-model.ts';
import { defaultMeshConfig } from './mesh-config.ts';
import { PushContext } from './push-context.ts';

const USAGE = `Usage: outrigger-control-plane --config <folder> [options]

Reads Istio YAML from a folder, watches it, and serves Envoy resources over ADS (delta and state of the world).

  --config <folder>       folder of .yaml files, with mesh.yaml for the mesh config
  --listen <address>      host:port or unix:/path, plaintext (default 127.0.0.1:15010, and nowhere with --secure-listen)
  --secure-listen <addr>  host:port of ADS and certificates over TLS, for workloads with a token or a certificate
  --ca-dir <folder>       key and root of the certificate authority; made where it is not there
  --token <ns/account>    print a token by which a service account is known to the authority of --ca-dir, and end
  --token-hours <count>   how long that token is good (default 24)
  --mtls-mode <mode>      ${MTLS_MODES.join(', ')}: where no PeerAuthentication speaks (default PERMISSIVE with --secure-listen,
                          else DISABLE, as nobody has a certificate)
  --log_output_level <l>  debug, info, warn, error, none (default info)
  --validate              check the YAML, print every problem, exit 1 if one is an error
  --help
`;

interface TokenOptions {
  readonly account: ServiceAccount;
  readonly hours: number;
  readonly caFolder: string;
}

interface Options {
  readonly config: string;
  readonly listen: string | undefined;
  readonly secure: { readonly listen: string; readonly caFolder: string } | undefined;
  readonly mtlsMode: MtlsMode;
  readonly logLevel: string;
  readonly validate: boolean;
}

const FLAGS = {
  config: { type: 'string' },
  listen: { type: 'string' },
  'secure-listen': { type: 'string' },
  'ca-dir': { type: 'string' },
  token: { type: 'string' },
  'token-hours': { type: 'string', default: '24' },
  'mtls-mode': { type: 'string' },
  log_output_level: { type: 'string', default: 'info' },
  validate: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

function readFlags(args: readonly string[]) {
  return parseArgs({ args: [...args], strict: true, allowPositionals: false, options: FLAGS })
    .values;
}

type Flags = ReturnType<typeof readFlags>;

const MOST_TOKEN_HOURS = 24 * 366;

function readTokenOptions(values: Flags): TokenOptions {
  const caFolder = values['ca-dir'];
  if (caFolder === undefined) throw new Error('--token needs --ca-dir');
  const [, namespace, name] = /^([a-z0-9.-]+)\/([a-z0-9.-]+)$/.exec(values.token ?? '') ?? [];
  if (namespace === undefined || name === undefined)
    throw new Error('--token must be <namespace>/<service account>');
  const hours = /^[0-9]{1,5}$/.test(values['token-hours']) ? Number(values['token-hours']) : 0;
  if (hours < 1 || hours > MOST_TOKEN_HOURS)
    throw new Error(`--token-hours must be from 1 to ${MOST_TOKEN_HOURS}`);
  return { account: { namespace, name }, hours, caFolder };
}

function readSecure(values: Flags): Options['secure'] {
  const { 'secure-listen': listen, 'ca-dir': caFolder } = values;
  if (listen === undefined && caFolder === undefined) return undefined;
  if (listen === undefined || caFolder === undefined)
    throw new Error('--secure-listen and --ca-dir go together');
  if (!/^.+:[0-9]{1,5}$/.test(listen)) throw new Error('--secure-listen must be host:port');
  return { listen, caFolder };
}

/** Throws an Error that says what is wrong. */
function readOptions(values: Flags): Options {
  if (values.config === undefined) throw new Error('--config is required');
  const secure = readSecure(values);
  const wantedMode = values['mtls-mode'] ?? (secure === undefined ? 'DISABLE' : 'PERMISSIVE');
  const mtlsMode = MTLS_MODES.find((mode) => mode === wantedMode);
  if (mtlsMode === undefined)
    throw new Error(`--mtls-mode must be one of ${MTLS_MODES.join(', ')}`);
  const listen = values.listen ?? (secure === undefined ? '127.0.0.1:15010' : undefined);
  if (listen !== undefined && !/^(unix:.+|.+:[0-9]{1,5})$/.test(listen))
    throw new Error('--listen must be host:port or unix:/path');
  return {
    config: values.config,
    listen,
    secure,
    mtlsMode,
    logLevel: values.log_output_level,
    validate: values.validate,
  };
}

async function validate(options: Options): Promise<number> {
  const store = new ConfigStore(options.config, realTime);
  await store.load();
  const set = store.current();
  const problems = [...set.problems, ...new PushContext(set, options.mtlsMode).warnings];
  for (const problem of problems) process.stdout.write(`${formatProblem(problem)}\n`);
  return hasErrors(problems) ? 1 : 0;
}

function printToken({ account, hours, caFolder }: TokenOptions): void {
  const nowMs = realTime.wallMs();
  const { tokenKey } = openCaFolder(caFolder, defaultMeshConfig.trustDomain, nowMs);
  const validity = { fromMs: nowMs, untilMs: nowMs + hours * 3_600_000 };
  process.stdout.write(`${signToken(account, tokenKey, validity)}\n`);
}

async function serve(options: Options): Promise<void> {
  const levels = parseOutputLevels(options.logLevel);
  if (levels === undefined)
    throw new Error(`--log_output_level has an unknown level: ${options.logLevel}`);
  const loggers = createLoggers(
    levels,
    lineSink(process.stdout, false, () => realTime.wallMs()),
  );
  const { config: configFolder, listen, secure, mtlsMode: defaultMtls } = options;
  const controlPlane = await startControlPlane(
    { configFolder, listen, secure, defaultMtls },
    loggers.get('ads'),
    realTime,
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      controlPlane.close();
      process.exit(0);
    });
  }
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** What the words ask for. Throws an Error that says what is wrong with them. */
function chooseAction(args: readonly string[]): () => void | Promise<void> {
  const values = readFlags(args);
  if (values.help) return () => void process.stdout.write(USAGE);
  if (values.token !== undefined) {
    const token = readTokenOptions(values);
    return () => printToken(token);
  }
  const options = readOptions(values);
  if (!options.validate) return () => serve(options);
  return async () => void (process.exitCode = await validate(options));
}

async function main(): Promise<void> {
  let act: () => void | Promise<void>;
  try {
    act = chooseAction(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`outrigger-control-plane: ${reasonOf(error)}\n\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  try {
    await act();
  } catch (error) {
    process.stderr.write(`outrigger-control-plane: ${reasonOf(error)}\n`);
    process.exitCode = 1;
  }
}

endReadably();
void main();
