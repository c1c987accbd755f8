// [m] Entry of outrigger-control-plane: options, start, signals; or a check of the YAML without serving.
import { parseArgs } from 'node:util';

import { realTime } from '../../proxy/base/clock.ts';
import { createLoggers, lineSink, parseOutputLevels } from '../log-sink.ts';
import { formatProblem, hasErrors } from './config-problem.ts';
import { ConfigStore } from './config-store.ts';
import { startControlPlane } from './control-plane.ts';
import { MTLS_MODES } from './istio-model.ts';
import type { MtlsMode } from './istio-model.ts';
import { PushContext } from './push-context.ts';

const USAGE = `Usage: outrigger-control-plane --config <folder> [options]

Reads Istio YAML from a folder, watches it, and serves Envoy resources over ADS (delta and state of the world, plaintext).

  --config <folder>       folder of .yaml files, with mesh.yaml for the mesh config
  --listen <address>      host:port or unix:/path (default 127.0.0.1:15010)
  --mtls-mode <mode>      ${MTLS_MODES.join(', ')}: where no PeerAuthentication speaks (default DISABLE)
  --log_output_level <l>  debug, info, warn, error, none (default info)
  --validate              check the YAML, print every problem, exit 1 if one is an error
  --help
`;

interface Options {
  readonly config: string;
  readonly listen: string;
  readonly mtlsMode: MtlsMode;
  readonly logLevel: string;
  readonly validate: boolean;
}

/** Undefined when only help was asked for. Throws an Error that says what is wrong. */
function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    strict: true,
    allowPositionals: false,
    options: {
      config: { type: 'string' },
      listen: { type: 'string', default: '127.0.0.1:15010' },
      'mtls-mode': { type: 'string', default: 'DISABLE' },
      log_output_level: { type: 'string', default: 'info' },
      validate: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  if (values.config === undefined) throw new Error('--config is required');
  const mtlsMode = MTLS_MODES.find((mode) => mode === values['mtls-mode']);
  if (mtlsMode === undefined)
    throw new Error(`--mtls-mode must be one of ${MTLS_MODES.join(', ')}`);
  if (!/^(unix:.+|.+:[0-9]{1,5})$/.test(values.listen))
    throw new Error('--listen must be host:port or unix:/path');
  return {
    config: values.config,
    listen: values.listen,
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

async function serve(options: Options): Promise<void> {
  const levels = parseOutputLevels(options.logLevel);
  if (levels === undefined)
    throw new Error(`--log_output_level has an unknown level: ${options.logLevel}`);
  const loggers = createLoggers(
    levels,
    lineSink(process.stdout, false, () => realTime.wallMs()),
  );
  const { configFolder, listen, defaultMtls } = {
    configFolder: options.config,
    listen: options.listen,
    defaultMtls: options.mtlsMode,
  };
  const controlPlane = await startControlPlane(
    { configFolder, listen, defaultMtls },
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

async function main(): Promise<void> {
  let options: Options | undefined;
  try {
    options = parseOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(
      `outrigger-control-plane: ${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`,
    );
    process.exitCode = 2;
    return;
  }
  if (options === undefined) {
    process.stdout.write(USAGE);
    return;
  }
  try {
    if (options.validate) process.exitCode = await validate(options);
    else await serve(options);
  } catch (error) {
    process.stderr.write(
      `outrigger-control-plane: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    process.exitCode = 1;
  }
}

await main();
