// [m] `pilot-agent wait`: returns when the sidecar is ready, so that the app starts after it. Istio: pilot/cmd/pilot-agent/app/wait.go.
import { fetchBounded } from '../http-client.ts';
import type { CommandOutputs } from './request.ts';

export interface WaitCommand {
  readonly url: string;
  readonly timeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly periodMs: number;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Undefined: ready; else why not. */
async function tryOnce(url: URL, timeoutMs: number): Promise<string | undefined> {
  const answer = await fetchBounded(
    {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? 80 : Number(url.port),
      method: 'GET',
      path: url.pathname + url.search,
      headers: { host: url.host },
      timeoutMs,
    },
    0,
  );
  if (!answer.ok) return answer.reason;
  return answer.status === 200 ? undefined : `HTTP status code ${answer.status}`;
}

/** The exit code. */
export async function runWait(command: WaitCommand, { out, err }: CommandOutputs): Promise<number> {
  if (!URL.canParse(command.url) || !command.url.startsWith('http://')) {
    err.write(`pilot-agent: --url must be an http:// address, not "${command.url}"\n`);
    return 1;
  }
  const url = new URL(command.url);
  out.write(
    `Waiting for Envoy proxy to be ready (timeout: ${command.timeoutMs / 1000} seconds)...\n`,
  );
  const endsAt = performance.now() + command.timeoutMs;
  let reason: string | undefined = 'not asked yet';
  while (performance.now() < endsAt) {
    reason = await tryOnce(url, command.requestTimeoutMs);
    if (reason === undefined) {
      out.write('Envoy is ready!\n');
      return 0;
    }
    out.write(`Not ready yet: ${reason}\n`);
    await sleep(command.periodMs);
  }
  err.write(
    `pilot-agent: timeout waiting for Envoy proxy to become ready. Last error: ${reason}\n`,
  );
  return 1;
}
