// [m] PushContext: an immutable view of all configuration, made once per load and shared by all proxies. Istio: model/push_context.go.
import { allocateAddresses } from './auto-addresses.ts';
import type { AutoAddress } from './auto-addresses.ts';
import type { ConfigProblem } from './config-problem.ts';
import type { ConfigSet } from './config-store.ts';
import { matchesLabels, resolveHost } from './istio-model.ts';
import type {
  DestinationRule,
  MtlsMode,
  PeerAuthentication,
  RouteRule,
  Service,
  Sidecar,
  Subset,
  VirtualService,
} from './istio-model.ts';
import type { MeshConfig } from './mesh-config.ts';
import type { ProxyNode } from './proxy-node.ts';
import { checkReferences } from './reference-check.ts';
import { virtualServiceOf } from './route-rule.ts';
import type { ImplicitSubsets } from './route-rule.ts';
import { MESH_GATEWAY } from './routing-reader.ts';
import { ServiceRegistry } from './service-registry.ts';
import type { ServiceTarget } from './service-registry.ts';
import { hostMatches, isVisible, sidecarFor, visibleServices } from './sidecar-scope.ts';

/** One proxy as the builders see it: its node, and what of the configuration concerns it. */
export interface ProxyView {
  readonly node: ProxyNode;
  readonly labels: ReadonlyMap<string, string>;
  /** What it may call, in the order of their hosts. */
  readonly services: readonly Service[];
  /** What it serves itself. */
  readonly targets: readonly ServiceTarget[];
  readonly allowAny: boolean;
}

export class PushContext {
  readonly mesh: MeshConfig;
  readonly registry: ServiceRegistry;
  /** Names that stand for nothing and similar: nothing is refused for them, since files come one after the other. */
  readonly warnings: readonly ConfigProblem[];
  readonly #virtualServices: VirtualService[] = [];
  readonly #destinationRules: DestinationRule[] = [];
  readonly #peerAuthentications: PeerAuthentication[] = [];
  readonly #sidecars: Sidecar[] = [];
  readonly #implicitSubsets: ImplicitSubsets = new Map();
  readonly #defaultMtls: MtlsMode;
  /** Made for the first proxy that wants them. */
  #autoAddresses: ReadonlyMap<string, AutoAddress> | undefined;

  /** `defaultMtls` holds where no PeerAuthentication speaks; istiod's is PERMISSIVE. */
  constructor(config: ConfigSet, defaultMtls: MtlsMode) {
    this.mesh = config.mesh;
    this.#defaultMtls = defaultMtls;
    this.registry = new ServiceRegistry(config.items);
    const rules: RouteRule[] = [];
    for (const item of config.items) {
      if (item.type === 'virtual-service') this.#virtualServices.push(item.value);
      else if (item.type === 'destination-rule') this.#destinationRules.push(item.value);
      else if (item.type === 'peer-authentication') this.#peerAuthentications.push(item.value);
      else if (item.type === 'sidecar') this.#sidecars.push(item.value);
      else if (item.type === 'route-rule') rules.push(item.value);
    }
    const warnings: ConfigProblem[] = [];
    this.#addRouteRules(rules, warnings);
    checkReferences(
      {
        services: this.registry.services,
        virtualServices: this.#virtualServices,
        subsetsOf: (host) => this.subsetsOf(host, undefined),
        endpointCount: (service) => this.registry.endpointsOf(service).length,
      },
      warnings,
    );
    this.warnings = warnings;
  }

  #addRouteRules(rules: readonly RouteRule[], warnings: ConfigProblem[]): void {
    const taken = new Set(
      this.#virtualServices.flatMap(({ hosts, meta }) =>
        hosts.map((host) => resolveHost(host, meta.namespace)),
      ),
    );
    const byHost = new Map<string, RouteRule[]>();
    for (const rule of rules) {
      if (taken.has(rule.host)) {
        const { file, document, line } = rule.meta;
        const message = `RouteRule ${rule.meta.name} has no effect: a VirtualService has ${rule.host}`;
        warnings.push({
          severity: 'warning',
          file,
          document,
          line,
          path: 'spec.destination',
          message,
        });
      } else {
        byHost.set(rule.host, [...(byHost.get(rule.host) ?? []), rule]);
      }
    }
    for (const ofHost of byHost.values()) {
      this.#virtualServices.push(
        virtualServiceOf(
          ofHost,
          (host) => this.destinationRuleOf(host, undefined),
          this.#implicitSubsets,
        ),
      );
    }
  }

  viewOf(node: ProxyNode): ProxyView {
    const labels = this.registry.labelsOf(node.addresses, node.namespace) ?? node.labels;
    const sidecar = sidecarFor(this.#sidecars, node.namespace, labels, this.mesh.rootNamespace);
    const visible = visibleServices(this.registry.services.values(), node.namespace, sidecar);
    return {
      node,
      labels,
      services: node.autoAllocate ? this.#withAutoAddresses(visible, node) : visible,
      targets: this.registry.targetsOf(node.addresses, node.namespace),
      // Without redirection the original destination is the sidecar itself: passing through would loop.
      allowAny: node.loopback === undefined && (sidecar?.allowAny ?? this.mesh.allowAny),
    };
  }

  #withAutoAddresses(services: readonly Service[], node: ProxyNode): readonly Service[] {
    this.#autoAddresses ??= allocateAddresses(this.registry.services.values());
    const v6 = node.addresses[0]!.includes(':');
    return services.map((service) => {
      const given = this.#autoAddresses?.get(service.host);
      return given === undefined ? service : { ...service, addresses: [v6 ? given.v6 : given.v4] };
    });
  }

  /** For a sidecar: the VirtualService whose host names the service best; an exact name before the longest wildcard. */
  virtualServiceOf(service: Service, namespace: string): VirtualService | undefined {
    let best: VirtualService | undefined;
    let bestLength = -1;
    for (const candidate of this.#virtualServices) {
      if (!candidate.gateways.includes(MESH_GATEWAY) || candidate.http.length === 0) continue;
      if (!isVisible(candidate.exportTo, candidate.meta.namespace, namespace)) continue;
      for (const host of candidate.hosts) {
        const pattern = resolveHost(host, candidate.meta.namespace);
        const length = pattern === service.host ? Infinity : pattern.length;
        if (length > bestLength && hostMatches(pattern, service.host)) {
          best = candidate;
          bestLength = length;
        }
      }
    }
    return best;
  }

  /** The rule of the caller's namespace, else of the service's, else of the root namespace; `viewer` undefined: any. */
  destinationRuleOf(host: string, viewer: string | undefined): DestinationRule | undefined {
    const owner = this.registry.services.get(host)?.meta.namespace;
    const visible = this.#destinationRules.filter(
      ({ meta, exportTo, host: named }) =>
        hostMatches(resolveHost(named, meta.namespace), host) &&
        (viewer === undefined || isVisible(exportTo, meta.namespace, viewer)),
    );
    // The longest wildcard names a host best.
    visible.sort((a, b) => b.host.length - a.host.length);
    const exact = visible.filter((rule) => resolveHost(rule.host, rule.meta.namespace) === host);
    const pool = exact.length > 0 ? exact : visible;
    for (const namespace of [viewer, owner, this.mesh.rootNamespace]) {
      const found = pool.find(({ meta }) => meta.namespace === namespace);
      if (found !== undefined) return found;
    }
    return viewer === undefined ? pool[0] : undefined;
  }

  subsetsOf(host: string, viewer: string | undefined): readonly Subset[] {
    const named = this.destinationRuleOf(host, viewer)?.subsets ?? [];
    return [...named, ...(this.#implicitSubsets.get(host)?.values() ?? [])];
  }

  /** What a workload's inbound port asks of its callers. Istio: a workload's policy, then the namespace's, then the mesh's. */
  mtlsModeOf(
    namespace: string,
    labels: ReadonlyMap<string, string>,
    port: number | undefined,
  ): MtlsMode {
    const own = this.#peerAuthentications.filter(({ meta }) => meta.namespace === namespace);
    const workload = own.find(
      ({ selector }) => selector.size > 0 && matchesLabels(labels, selector),
    );
    const forPort = port === undefined ? undefined : workload?.portModes.get(port);
    return (
      forPort ??
      workload?.mode ??
      own.find(({ selector }) => selector.size === 0)?.mode ??
      this.#peerAuthentications.find(
        ({ meta, selector }) => meta.namespace === this.mesh.rootNamespace && selector.size === 0,
      )?.mode ??
      this.#defaultMtls
    );
  }
}
