// [m] AgentOptions for tests: read from a few variables in surroundings that the test makes up.
import { parseCommandLine, PROXY_COMMAND } from '../../agent/command-line.ts';
import { readAgentOptions } from '../../agent/options.ts';
import type { AgentOptions, OptionsResult } from '../../agent/options.ts';
import type { Surroundings } from '../../agent/surroundings.ts';

export interface OptionInputs {
  readonly flags?: readonly string[];
  readonly variables?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly interfaceAddresses?: readonly string[];
  /** PROXY_CONFIG as an object; controlPlaneAuthPolicy NONE is added. */
  readonly proxyConfig?: Readonly<Record<string, unknown>>;
}

export function makeSurroundings(inputs: OptionInputs): Surroundings {
  const variables = new Map(
    Object.entries({
      INSTANCE_IP: '10.0.0.1',
      POD_NAME: 'reviews-v1-0',
      POD_NAMESPACE: 'default',
      PROXY_CONFIG: JSON.stringify({ controlPlaneAuthPolicy: 'NONE', ...inputs.proxyConfig }),
      ...inputs.variables,
    }),
  );
  const files = new Map(Object.entries(inputs.files ?? {}));
  return {
    variables,
    interfaceAddresses: inputs.interfaceAddresses ?? [],
    hostName: 'this-host',
    readText: (path) => files.get(path),
    installDir: '/install',
    boundExec: '/install/agent/bound-exec.ts',
  };
}

export async function tryOptions(inputs: OptionInputs): Promise<OptionsResult> {
  const line = parseCommandLine(PROXY_COMMAND, inputs.flags ?? []);
  if (!line.ok) return { ok: false, problems: [line.message] };
  return readAgentOptions(line.line, makeSurroundings(inputs));
}

export async function makeOptions(inputs: OptionInputs): Promise<AgentOptions> {
  const result = await tryOptions(inputs);
  if (!result.ok) throw new Error(result.problems.join('; '));
  return result.options;
}
