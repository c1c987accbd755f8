// [m] XdsProxy: ADS on a unix socket for the proxy; each of its streams gets one to the control plane. Istio: pkg/istio-agent/xds_proxy.go.
import type { TimeSource } from '../../proxy/base/clock.ts';
import type { Closable } from '../../proxy/base/lifetime.ts';
import type { Logger } from '../../proxy/base/logger.ts';
import type { RandomSource } from '../../proxy/base/random.ts';
import { GrpcServer } from '../../proxy/grpc/grpc-server.ts';
import type { GrpcThread } from '../../proxy/grpc/grpc-thread.ts';
import { statusCode } from '../../xds-protos/ads-stream.ts';
import type { AdsServerStream } from '../../xds-protos/ads-stream.ts';
import { adsMethods } from '../../xds-protos/channel-services.ts';
import { maxMessageBytes } from '../../xds-protos/codec.ts';
import type { AgentMetrics } from '../agent-metrics.ts';
import type { ControlPlaneOptions } from '../control-plane-options.ts';
import { LastGood } from '../last-good/last-good.ts';
import type { LastGoodFile } from '../last-good/last-good-file.ts';
import { isServed } from '../unix-socket.ts';
import { ControlPlaneConnection } from './control-plane-connection.ts';
import type { OpenStream } from './control-plane-connection.ts';
import { DialGate } from './dial-gate.ts';
import { deltaDialect, sotwDialect } from './dialect.ts';
import type { Dialect, RelayedRequest, RelayedResponse } from './dialect.ts';
import { Relay } from './relay.ts';
import type { Dial } from './relay.ts';
import { TrustBundleHandler } from './response-handlers.ts';
import type { NameTableHandler, ResponseHandler } from './response-handlers.ts';

export interface XdsProxyParts {
  readonly controlPlane: ControlPlaneOptions;
  readonly nameTable: NameTableHandler;
  /** The DNS proxy runs: the name table is asked for. */
  readonly wantsNames: boolean;
  /** Where the last good configuration is kept; undefined: it is not. */
  readonly lastGoodFile: LastGoodFile | undefined;
  /** Roots that istiod tells of besides the authority's own; asked for with PROXY_CONFIG_XDS_AGENT. */
  readonly onTrustBundle: (pems: readonly string[]) => void;
  readonly grpc: GrpcThread;
  readonly metrics: AgentMetrics;
  readonly logger: Logger;
  readonly time: TimeSource;
  readonly random: RandomSource;
}

const MAX_TYPES = 32;

interface ActiveRelay {
  /** `reason` goes to the proxy. */
  replace(reason: string): void;
}

export class XdsProxy implements Closable {
  readonly #parts: XdsProxyParts;
  readonly #server: GrpcServer;
  readonly #connection: ControlPlaneConnection;
  readonly #gate: DialGate;
  readonly #handlers: ReadonlyMap<string, ResponseHandler>;
  readonly #lastGood: LastGood | undefined;
  readonly #versions = new Map<string, string>();
  #active: ActiveRelay | undefined;
  #closed = false;

  constructor(parts: XdsProxyParts) {
    this.#parts = parts;
    const { controlPlane } = parts;
    this.#gate = new DialGate(parts.time, parts.random);
    this.#connection = new ControlPlaneConnection(controlPlane, parts.grpc);
    const handlers: ResponseHandler[] = [];
    if (parts.wantsNames) handlers.push(parts.nameTable);
    if (controlPlane.proxyConfigXds) handlers.push(new TrustBundleHandler(parts.onTrustBundle));
    this.#handlers = new Map(handlers.map((handler) => [handler.typeUrl, handler]));
    const { lastGoodFile: file, metrics, logger, time } = parts;
    if (file !== undefined) {
      this.#lastGood = new LastGood({ file, handlers: this.#handlers, metrics, logger, time });
      metrics.watchKeptBytes(() => file.bytes);
    }
    const methods = adsMethods({
      delta: (stream) => {
        this.#join(stream, deltaDialect, (connection, headers) => connection.delta(headers));
      },
      sotw: (stream) => {
        this.#join(stream, sotwDialect, (connection, headers) => connection.sotw(headers));
      },
    });
    this.#server = new GrpcServer(parts.grpc, { methods, maxMessageBytes });
  }

  async listen(socketPath: string): Promise<void> {
    if (await isServed(socketPath)) {
      throw new Error(
        `${socketPath}: another agent serves it; give each agent a ProxyConfig.configPath of its own`,
      );
    }
    this.#server.listen(socketPath);
  }

  /** Of what the proxy was told last, by type URL. */
  get versions(): ReadonlyMap<string, string> {
    return this.#versions;
  }

  /** What a person should know of the configuration that the proxy has; undefined: nothing. */
  get warning(): string | undefined {
    return this.#lastGood?.warning;
  }

  close(): void {
    this.#closed = true;
    this.#active?.replace('the agent ends');
    this.#server.close();
    this.#connection.close();
    this.#parts.lastGoodFile?.close();
  }

  #join<Request extends RelayedRequest, Response extends RelayedResponse>(
    stream: AdsServerStream<Response, Request>,
    dialect: Dialect<Request, Response>,
    open: OpenStream<Request, Response>,
  ): void {
    const { metrics, logger, time } = this.#parts;
    const fail = (reason: string): void => stream.end({ code: statusCode.unavailable, reason });
    if (this.#closed) {
      fail('the agent ends');
      return;
    }
    if (this.#active !== undefined) {
      logger.warn('registered overlapping stream; closing previous');
      this.#active.replace('a newer stream took its place');
    }
    logger.info(`proxy connected (${dialect.name}), dialing ${this.#parts.controlPlane.address}`);
    const dial: Dial<Request, Response> = (events) => this.#connection.dial(open, events);
    const leave = (): void => {
      if (this.#active === active) this.#active = undefined;
    };
    const downstream = {
      send: (response: Response) => {
        const typeUrl = response.type_url ?? '';
        if (this.#versions.size < MAX_TYPES || this.#versions.has(typeUrl))
          this.#versions.set(typeUrl, dialect.version(response));
        stream.send(response);
      },
      fail: (reason: string) => {
        leave();
        fail(reason);
      },
    };
    const shared = {
      handlers: this.#handlers,
      lastGood: this.#lastGood,
      gate: this.#gate,
      metrics,
      logger,
      time,
    };
    const relay = new Relay({ ...shared, dialect, downstream, dial });
    const active: ActiveRelay = {
      replace: (reason) => {
        relay.close();
        fail(reason);
      },
    };
    this.#active = active;
    stream.onMessage((request) => relay.onRequest(request));
    stream.onEnd(({ code, reason }) => {
      metrics.envoyConnectionTerminations.inc();
      logger.info(`proxy ended its stream: grpc status ${code}`, { reason });
      relay.close();
      leave();
    });
  }
}
