// Waiting for a port or an HTTP 200, until a signal ends it.
import { get } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import type { SocketPlace } from './plan.ts';

const POLL_MS = 100;
const TRY_LIMIT_MS = 5_000;

/** Resolves with undefined for a success, else with the reason. */
type Attempt = () => Promise<string | undefined>;

async function repeat(attempt: Attempt, signal: AbortSignal): Promise<void> {
  for (;;) {
    const problem = await attempt();
    if (problem === undefined) return;
    if (signal.aborted) throw new Error(problem);
    await sleep(POLL_MS);
  }
}

function tryPort({ address, port }: SocketPlace): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: TRY_LIMIT_MS });
    const finish = (problem: string | undefined): void => {
      socket.destroy();
      resolve(problem);
    };
    socket.once('connect', () => finish(undefined));
    socket.once('timeout', () => finish(`${address}:${port} does not answer`));
    socket.once('error', (error) => finish(error.message));
  });
}

function tryHttp({ address, port }: SocketPlace, path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = get(
      { host: address, port, path, timeout: TRY_LIMIT_MS, agent: false },
      (response) => {
        response.resume();
        const { statusCode } = response;
        resolve(
          statusCode === 200 ? undefined : `http://${address}:${port}${path} answers ${statusCode}`,
        );
      },
    );
    request.once('timeout', () =>
      request.destroy(new Error(`http://${address}:${port}${path} does not answer`)),
    );
    request.once('error', (error) => resolve(error.message));
  });
}

/** Rejects when `signal` is aborted, with the last reason for not being ready. */
export const waitForPort = (place: SocketPlace, signal: AbortSignal): Promise<void> =>
  repeat(() => tryPort(place), signal);

export const waitForHttp = (place: SocketPlace, path: string, signal: AbortSignal): Promise<void> =>
  repeat(() => tryHttp(place, path), signal);
