// [m] ControlPlane: folder of YAML in, ADS out; puts the parts together and tells the operator what is wrong with the YAML.
import { Lifetime } from '../../proxy/base/lifetime.ts';
import type { TimeSource } from '../../proxy/base/clock.ts';
import type { Logger } from '../../proxy/base/logger.ts';
import { AdsServer } from '../../xds-protos/services.ts';
import { formatProblem } from './config-problem.ts';
import { ConfigStore } from './config-store.ts';
import type { ConfigSet } from './config-store.ts';
import { DiscoveryServer } from './discovery-server.ts';
import type { MtlsMode } from './istio-model.ts';
import type { ProxyStatus } from './proxy-session.ts';
import { PushContext } from './push-context.ts';
import { SecureServer } from './secure-server.ts';

export interface ControlPlaneOptions {
  readonly configFolder: string;
  /** `127.0.0.1:15010`, port 0 for a free one, or `unix:/path`; plaintext. Undefined: nowhere. */
  readonly listen: string | undefined;
  /** Where no PeerAuthentication speaks. */
  readonly defaultMtls: MtlsMode;
  /** An authority, and ADS for those whom it knows. */
  readonly secure?: { readonly listen: string; readonly caFolder: string } | undefined;
}

export interface ControlPlane {
  /** What clients connect to; '' where nothing is served in plaintext. */
  readonly target: string;
  /** The same over TLS; undefined: not served. */
  readonly secureTarget: string | undefined;
  status(): ProxyStatus[];
  close(): void;
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);

/** Told once: a problem that stands in the next load too is not repeated. */
class ProblemReporter {
  readonly #logger: Logger;
  #told = new Set<string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  report(set: ConfigSet, push: PushContext): void {
    const now = new Set<string>();
    for (const problem of [...set.problems, ...push.warnings]) {
      const text = formatProblem(problem);
      now.add(text);
      if (this.#told.has(text)) continue;
      if (problem.severity === 'error')
        this.#logger.error(`${text} (the last good content of the file stays in force)`);
      else this.#logger.warn(text);
    }
    const solved = [...this.#told].filter((text) => !now.has(text)).length;
    if (solved > 0)
      this.#logger.info(`${solved} earlier problem${solved === 1 ? ' is' : 's are'} gone`);
    this.#told = now;
  }
}

/** Rejects when the address cannot be bound. A folder with mistakes starts all the same, with what is good of it. */
export async function startControlPlane(
  options: ControlPlaneOptions,
  logger: Logger,
  time: TimeSource,
): Promise<ControlPlane> {
  const lifetime = new Lifetime();
  const store = lifetime.own(new ConfigStore(options.configFolder, time));
  const reporter = new ProblemReporter(logger);
  await store.load();
  const contextOf = (set: ConfigSet): PushContext => {
    const push = new PushContext(set, options.defaultMtls);
    reporter.report(set, push);
    return push;
  };
  const discovery = new DiscoveryServer(contextOf(store.current()), logger, time);
  store.watch((set) => {
    try {
      discovery.update(contextOf(set));
    } catch (error) {
      // Ours, not the operator's: what is in force stays, and the sidecars keep running.
      logger.error(`the new configuration cannot be put in force: ${reasonOf(error)}`);
    }
  });
  const server = lifetime.own(new AdsServer());
  server.addHandlers({
    delta: (stream) => discovery.delta(stream),
    sotw: (stream) => discovery.sotw(stream),
  });
  try {
    const { secure } = options;
    let secureTarget: string | undefined;
    if (secure !== undefined) {
      const trustDomain = (): string => discovery.push.mesh.trustDomain;
      const own = new SecureServer({ ...secure, discovery, trustDomain, logger, time });
      secureTarget = await lifetime.own(own).listen();
    }
    const target = options.listen === undefined ? '' : await server.listen(options.listen);
    const places = [target, secureTarget].filter((place) => place !== '' && place !== undefined);
    logger.info(
      `control plane serves ADS on ${places.join(' and ')}, configuration from ${options.configFolder}`,
    );
    return {
      target,
      secureTarget,
      status: () => discovery.status(),
      close: () => lifetime.close(),
    };
  } catch (error) {
    lifetime.close();
    throw error;
  }
}
