// A server of secrets for tests: what it has, it gives; what it is given later, it pushes; what it has not, is waited for.
import type { AdsServerStream } from '../../xds-protos/ads-stream.ts';
import { statusCode } from '../../xds-protos/ads-stream.ts';
import { GrpcServer } from '../../xds-protos/grpc-server.ts';
import { serveSecrets } from './secret-service.ts';
import type { MaterialResult, SecretMaterial } from '../../agent/security/secret-material.ts';
import { deltaSecrets, SecretStream, sotwSecrets } from '../../agent/security/secret-stream.ts';
import type { SecretProtocol, SecretRequest } from '../../agent/security/secret-stream.ts';
import { captureLog } from './captured-log.ts';
import type { Teardowns } from './private-dir.ts';
import { TestAuthority } from './test-authority.ts';
import type { TestIdentity } from './test-authority.ts';

export class TestSecretServer {
  /** What it makes of a name that it was not given; undefined: that is waited for. */
  make: (name: string) => SecretMaterial | undefined = () => undefined;
  readonly #server = new GrpcServer();
  readonly #materials = new Map<string, SecretMaterial>();
  readonly #streams = new Set<{ onChange(name: string): void }>();
  readonly #waiting = new Map<string, (() => void)[]>();
  readonly #log = captureLog();
  #version = 0;
  #streamCount = 0;

  constructor() {
    serveSecrets(this.#server, {
      sotw: (stream) => this.#attach(stream, sotwSecrets),
      delta: (stream) => this.#attach(stream, deltaSecrets),
    });
  }

  /** Streams that are open. */
  get streamCount(): number {
    return this.#streamCount;
  }

  /** Refusals of clients among others. */
  get lines(): readonly string[] {
    return this.#log.lines;
  }

  listen(target: string): Promise<string> {
    return this.#server.listen(target);
  }

  set(name: string, material: SecretMaterial): void {
    this.#materials.set(name, material);
    for (const resume of this.#waiting.get(name) ?? []) resume();
    this.#waiting.delete(name);
    for (const stream of this.#streams) stream.onChange(name);
  }

  setIdentity(name: string, { chainPem, keyPem }: TestIdentity): void {
    this.set(name, { kind: 'certificate', chainPem, keyPem });
  }

  setRoots(name: string, rootPem: string): void {
    this.set(name, { kind: 'roots', rootPem, crlFile: undefined });
  }

  close(): void {
    this.#server.close();
  }

  async #get(name: string): Promise<MaterialResult> {
    const made = this.#materials.has(name) ? undefined : this.make(name);
    if (made !== undefined) this.#materials.set(name, made);
    while (!this.#materials.has(name)) {
      await new Promise<void>((resolve) => {
        this.#waiting.set(name, [...(this.#waiting.get(name) ?? []), resolve]);
      });
    }
    return { ok: true, material: this.#materials.get(name)! };
  }

  #attach<Request extends SecretRequest, Response>(
    stream: AdsServerStream<Response, Request>,
    protocol: SecretProtocol<Request, Response>,
  ): void {
    this.#streamCount++;
    const handler = new SecretStream<Request, Response>({
      protocol,
      get: (name) => this.#get(name),
      nextVersion: () => String(++this.#version),
      send: (response) => void stream.send(response),
      fail: (reason) => stream.end({ code: statusCode.unavailable, reason }),
      logger: this.#log.logger,
    });
    this.#streams.add(handler);
    stream.onMessage((request) => handler.onRequest(request));
    stream.onEnd(() => {
      this.#streamCount--;
      handler.close();
      this.#streams.delete(handler);
    });
  }
}

export interface WorkloadSecrets {
  readonly server: TestSecretServer;
  readonly authority: TestAuthority;
  /** As given, with the port where 0 was asked for. */
  readonly target: string;
}

/** `default` and `ROOTCA` of one workload. */
export async function serveWorkloadSecrets(
  t: Teardowns,
  settings: {
    readonly target?: string;
    readonly authority?: TestAuthority;
    readonly spiffe?: string;
  } = {},
): Promise<WorkloadSecrets> {
  const authority = settings.authority ?? new TestAuthority();
  const server = new TestSecretServer();
  const spiffe = settings.spiffe ?? 'spiffe://cluster.local/ns/default/sa/default';
  server.setIdentity('default', authority.identity(spiffe));
  server.setRoots('ROOTCA', authority.rootPem);
  const target = await server.listen(settings.target ?? '127.0.0.1:0');
  t.teardown(() => server.close());
  return { server, authority, target };
}
