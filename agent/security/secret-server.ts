// [m] SecretServer: SDS on the agent's unix socket (istio-contract §6.9). Istio: security/pkg/nodeagent/sds. Stock serves the state of the world
// alone; delta is served besides.
import type { Closable } from '../../proxy/base/lifetime.ts';
import type { Logger } from '../../proxy/base/logger.ts';
import type { TimeSource } from '../../proxy/base/clock.ts';
import { GrpcServer } from '../../proxy/grpc/grpc-server.ts';
import type { GrpcThread } from '../../proxy/grpc/grpc-thread.ts';
import { statusCode } from '../../xds-protos/ads-stream.ts';
import type { AdsServerStream } from '../../xds-protos/ads-stream.ts';
import { adsMethods } from '../../xds-protos/channel-services.ts';
import type { SecretManager } from './secret-manager.ts';
import { deltaSecrets, SecretStream, sotwSecrets } from './secret-stream.ts';
import type { SecretProtocol, SecretRequest } from './secret-stream.ts';

export interface SecretServerParts {
  readonly secrets: SecretManager;
  /** False: only what lies in files, as a foreign server has the rest. */
  readonly workload: boolean;
  readonly grpc: GrpcThread;
  readonly logger: Logger;
  readonly time: TimeSource;
}

/** A request names secrets and carries the node. */
const MAX_REQUEST_BYTES = 4 * 1024 * 1024;

export class SecretServer implements Closable {
  readonly #parts: SecretServerParts;
  readonly #server: GrpcServer;
  readonly #streams = new Set<{ onChange(name: string): void }>();
  readonly #unsubscribe: () => void;
  #versions = 0;

  constructor(parts: SecretServerParts) {
    this.#parts = parts;
    const methods = adsMethods(
      {
        sotw: (stream) => this.#attach(stream, sotwSecrets),
        delta: (stream) => this.#attach(stream, deltaSecrets),
      },
      'secrets',
    );
    this.#server = new GrpcServer(parts.grpc, { methods, maxMessageBytes: MAX_REQUEST_BYTES });
    this.#unsubscribe = parts.secrets.onChange((name) => {
      for (const stream of this.#streams) stream.onChange(name);
    });
  }

  listen(socketPath: string): void {
    this.#server.listen(socketPath);
  }

  close(): void {
    this.#unsubscribe();
    this.#server.close();
  }

  #attach<Request extends SecretRequest, Response>(
    stream: AdsServerStream<Response, Request>,
    protocol: SecretProtocol<Request, Response>,
  ): void {
    const { secrets, logger, workload } = this.#parts;
    const handler = new SecretStream<Request, Response>({
      protocol,
      get: async (name) =>
        workload || name.startsWith('file-')
          ? secrets.get(name)
          : { ok: false, reason: `${name}: only secrets in files are served here` },
      nextVersion: () => this.#nextVersion(),
      send: (response) => void stream.send(response),
      fail: (reason) => {
        this.#streams.delete(handler);
        stream.end({ code: statusCode.unavailable, reason });
      },
      logger,
    });
    this.#streams.add(handler);
    stream.onMessage((request) => handler.onRequest(request));
    stream.onEnd(() => {
      handler.close();
      this.#streams.delete(handler);
    });
  }

  #nextVersion(): string {
    const seconds = new Date(this.#parts.time.wallMs()).toISOString().replace(/\.[0-9]+Z$/, 'Z');
    return `${seconds}/${++this.#versions}`;
  }
}
