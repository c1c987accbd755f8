// [m] `pilot-agent request`: one HTTP request to a local port of the sidecar; istioctl's way in. Istio: pilot/cmd/pilot-agent/request.
import { fetchBounded } from '../http-client.ts';
import type { AgentAddresses } from '../pod-addresses.ts';

export interface RequestCommand {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  /** Undefined: the proxy's admin. */
  readonly debugPort: number | undefined;
}

export interface CommandOutput {
  write(data: string | Buffer): unknown;
}

export interface CommandOutputs {
  readonly out: CommandOutput;
  readonly err: CommandOutput;
}

const REQUEST_TIMEOUT_MS = 60_000;
const MAX_ANSWER_BYTES = 1_073_741_824;
const DEBUG_PORT = 15004;
const METHOD = /^[A-Za-z]{1,20}$/;
const PATH = /^[\x21-\x7e]{0,8192}$/;

/** Of a debug port as users know it, to where this sidecar has it. */
function findTarget(
  addresses: AgentAddresses,
  port: number,
): { host: string; port: number } | undefined {
  const { admin, adminPort, local, statusPort, readyPort } = addresses;
  if (port === adminPort || port === 15000) return { host: admin, port: adminPort };
  if (port === statusPort || port === 15020) return { host: local, port: statusPort };
  if (port === readyPort || port === 15021) return { host: local, port: readyPort };
  return port === DEBUG_PORT ? { host: local, port } : undefined;
}

/** The exit code. */
export async function runRequest(
  command: RequestCommand,
  addresses: AgentAddresses,
  { out, err }: CommandOutputs,
): Promise<number> {
  const target = findTarget(addresses, command.debugPort ?? addresses.adminPort);
  if (target === undefined) {
    err.write(
      `pilot-agent: --debug-port must be 15000, 15004, 15020 or 15021, not ${command.debugPort}\n`,
    );
    return 1;
  }
  if (!METHOD.test(command.method) || !PATH.test(command.path)) {
    err.write('pilot-agent: request needs a method such as GET and a path without blanks\n');
    return 1;
  }
  const path = command.path.startsWith('/') ? command.path : `/${command.path}`;
  const method = command.method.toUpperCase();
  const answer = await fetchBounded(
    { ...target, method, path, body: command.body, timeoutMs: REQUEST_TIMEOUT_MS },
    MAX_ANSWER_BYTES,
  );
  if (!answer.ok) {
    err.write(
      `pilot-agent: ${method} ${path} on ${target.host}:${target.port}: ${answer.reason}\n`,
    );
    return 1;
  }
  out.write(answer.body);
  if (answer.status === 200) return 0;
  err.write(`pilot-agent: ${method} ${path} answered ${answer.status}\n`);
  return 1;
}
