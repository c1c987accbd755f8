// [m] SecretService: the agent's part in identity, put together: manager, server, watchdog; and whether a foreign server (SPIRE) has the
// workload's secrets instead of us (istio-contract §6.9). Istio: pkg/istio-agent/agent.go, initSdsServer.
import { basename, dirname } from 'node:path';

import type { TimeSource } from '../../proxy/base/clock.ts';
import { Lifetime } from '../../proxy/base/lifetime.ts';
import type { Closable } from '../../proxy/base/lifetime.ts';
import type { Logger } from '../../proxy/base/logger.ts';
import { fs } from '../../proxy/base/node-builtins.ts';
import type { RandomSource } from '../../proxy/base/random.ts';
import type { GrpcThread } from '../../proxy/grpc/grpc-thread.ts';
import type { AgentMetrics } from '../agent-metrics.ts';
import type { AgentOptions } from '../options.ts';
import { isServed } from '../unix-socket.ts';
import { ExpiryWatchdog } from './expiry-watchdog.ts';
import { SecretManager } from './secret-manager.ts';
import { SecretServer } from './secret-server.ts';

export interface SecretServiceParts {
  readonly options: Pick<AgentOptions, 'paths' | 'security' | 'controlPlane'>;
  readonly grpc: GrpcThread;
  readonly metrics: AgentMetrics;
  readonly logger: Logger;
  readonly time: TimeSource;
  readonly random: RandomSource;
}

const OWN_SOCKET_FILE = 'socket';

export class SecretService implements Closable {
  readonly #parts: SecretServiceParts;
  readonly #lifetime = new Lifetime();
  readonly #manager: SecretManager;
  readonly #watchdog: ExpiryWatchdog;

  constructor(parts: SecretServiceParts) {
    this.#parts = parts;
    const { options, grpc, metrics, logger, time, random } = parts;
    const shared = { metrics, logger, time, random };
    const manager = new SecretManager({ options: options.security, grpc, ...shared });
    this.#manager = this.#lifetime.own(manager);
    this.#watchdog = this.#lifetime.own(
      new ExpiryWatchdog({
        certificates: () => manager.certificates(),
        problem: () => manager.problem,
        logger,
        time,
      }),
    );
    metrics.watchCertificates(() => this.#watchdog.ages());
  }

  /** Resolves when the proxy can ask. Rejects with what the operator has to change. */
  async start(): Promise<{ readonly credential: boolean; readonly files: boolean }> {
    const { options, logger } = this.#parts;
    const { sdsSocket, credentialSocket, filesSocket } = options.paths;
    const foreign = await isServed(sdsSocket);
    if (!foreign && basename(sdsSocket) !== OWN_SOCKET_FILE) {
      throw new Error(
        `WORKLOAD_IDENTITY_SOCKET_FILE names ${sdsSocket}, and nobody serves secrets there; ` +
          `start who should, or leave the variable out`,
      );
    }
    if (foreign)
      logger.info(`${sdsSocket} is served already: only secrets in files are served here`);
    this.#serve(foreign ? filesSocket : sdsSocket, !foreign);
    this.#watchdog.start();
    // A mesh in plaintext asks for no certificate before its proxy does.
    if (!foreign && (options.controlPlane.trust !== undefined || options.security.outputDir !== ''))
      this.#manager.prefetch();
    return { credential: await isServed(credentialSocket), files: foreign };
  }

  setTrustBundle(pems: readonly string[]): void {
    this.#manager.setTrustBundle(pems);
  }

  warning(): string | undefined {
    return this.#watchdog.detail();
  }

  close(): void {
    this.#lifetime.close();
  }

  #serve(socket: string, workload: boolean): void {
    const { grpc, logger, time } = this.#parts;
    fs.mkdirSync(dirname(socket), { recursive: true, mode: 0o700 });
    const server = new SecretServer({ secrets: this.#manager, workload, grpc, logger, time });
    this.#lifetime.own(server).listen(socket);
  }
}
