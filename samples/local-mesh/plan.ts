// The plan of a local mesh: addresses, arguments and environment of every process. Pure: what runs it is mesh-run.ts.
import { parseAllDocuments, stringify } from 'yaml';

import type { Workload } from '../bookinfo/workloads.ts';

/** `netns`: a pod is a network namespace with real redirect rules. `loopback`: a pod is a group of 127.x addresses. */
export const MESH_MODES = { netns: 'netns', loopback: 'loopback' } as const;
export type MeshMode = (typeof MESH_MODES)[keyof typeof MESH_MODES];

export interface SocketPlace {
  readonly address: string;
  readonly port: number;
}

export interface MeshService {
  readonly name: string;
  /** As the control plane knows it. */
  readonly host: string;
  readonly clusterIp: string;
  readonly port: number;
}

export interface PodPlan {
  readonly name: string;
  readonly app: string;
  readonly version: string;
  /** What the mesh knows the pod by: 15000, 15020, 15021 and 15090 are there, and its endpoint. */
  readonly address: string;
  /** Where the application listens. */
  readonly appListen: SocketPlace;
  readonly appFlags: readonly string[];
  readonly account: { readonly namespace: string; readonly name: string };
  /** Of pilot-agent, besides what it inherits; empty without sidecars. */
  readonly agentEnv: Readonly<Record<string, string>>;
}

/** Plain data: it goes to the process inside the namespaces as a message. */
export interface MeshPlan {
  readonly mode: MeshMode;
  readonly withSidecars: boolean;
  /** xDS. */
  readonly controlPlane: SocketPlace;
  readonly pods: readonly PodPlan[];
  /** Of the pod that a browser talks to. */
  readonly front: SocketPlace;
  /** What tells the control plane where the pods are. */
  readonly workloadsYaml: string;
}

export interface PlanInput {
  readonly mode: MeshMode;
  readonly withSidecars: boolean;
  readonly workloads: readonly Workload[];
  readonly services: readonly MeshService[];
  readonly frontPod: string;
  /** Loopback mode: second byte of all addresses, so that two meshes can run at once. */
  readonly loopbackByte: number;
}

export const ADMIN_PORT = 15_000;
export const READY_PORT = 15_021;
export const STATUS_PORT = 15_020;
/** On the status port, in namespace mode. */
export const APP_PROBE_PATH = '/app-health/app/readyz';
/** Over TLS, as istiod has it. */
const XDS_PORT = 15_012;
const APP_PORT = 9_080;
const OUTBOUND_PORT = 15_001;
const INBOUND_PORT = 15_006;
const NAMESPACE = 'default';

/** In namespace mode: the bridge, which is also the pods' way out. */
export const BRIDGE_ADDRESS = '10.244.0.1';
const POD_NET = '10.244.0';
export const POD_PREFIX_BITS = 24;

interface ServiceDocument {
  readonly kind?: unknown;
  readonly metadata?: { readonly name?: unknown; readonly namespace?: unknown };
  readonly spec?: {
    readonly clusterIP?: unknown;
    readonly ports?: readonly { readonly port?: unknown }[];
  };
}

/** Of the Kubernetes Services in `text`. */
export function readServices(text: string): MeshService[] {
  const services: MeshService[] = [];
  for (const document of parseAllDocuments(text)) {
    const { kind, metadata, spec } = (document.toJS() ?? {}) as ServiceDocument;
    if (kind !== 'Service') continue;
    const name = String(metadata?.name);
    const port = Number(spec?.ports?.[0]?.port);
    if (typeof spec?.clusterIP !== 'string' || !Number.isInteger(port)) {
      throw new Error(`Service ${name} needs spec.clusterIP and spec.ports[0].port`);
    }
    const namespace = typeof metadata?.namespace === 'string' ? metadata.namespace : NAMESPACE;
    const host = `${name}.${namespace}.svc.cluster.local`;
    services.push({ name, host, clusterIp: spec.clusterIP, port });
  }
  return services;
}

/** Everything about a pod that depends on the mode. */
interface PodAddresses {
  readonly address: string;
  readonly appListen: SocketPlace;
  /** What stands for a service in this pod. */
  readonly serviceAddress: (service: MeshService) => string;
  readonly modeEnv: Readonly<Record<string, string>>;
}

const FIRST_POD = 11;
const FIRST_SERVICE = 101;

function namespaceAddresses(index: number): PodAddresses {
  const address = `${POD_NET}.${FIRST_POD + index}`;
  return {
    address,
    appListen: { address: '0.0.0.0', port: APP_PORT },
    serviceAddress: ({ clusterIp }) => clusterIp,
    // Reached through the bridge; the pod's own 127.0.0.1 is still part of it, for the agent.
    modeEnv: {
      OUTRIGGER_ADMIN_ADDRESS: '0.0.0.0',
      // As the injector has it for a pod's readiness probe: the prober has no certificate of the mesh.
      ISTIO_KUBE_APP_PROBERS: JSON.stringify({
        [APP_PROBE_PATH]: { httpGet: { path: '/health', port: APP_PORT } },
      }),
    },
  };
}

function loopbackAddresses(index: number, input: PlanInput): PodAddresses {
  const pod = `127.${input.loopbackByte}.${FIRST_POD + index}`;
  const address = `${pod}.1`;
  const app = `${pod}.2`;
  const serviceAddress = (service: MeshService): string =>
    `${pod}.${FIRST_SERVICE + input.services.indexOf(service)}`;
  return {
    address,
    appListen: { address: input.withSidecars ? app : address, port: APP_PORT },
    serviceAddress,
    modeEnv: {
      OUTRIGGER_BIND_ADDRESS: address,
      OUTRIGGER_ADMIN_ADDRESS: address,
      ISTIO_META_OUTRIGGER_NO_REDIRECT: 'true',
      ISTIO_META_OUTRIGGER_SERVICE_ADDRESSES: JSON.stringify(
        Object.fromEntries(
          input.services.map((service) => [service.host, serviceAddress(service)]),
        ),
      ),
      ISTIO_META_OUTRIGGER_OUTBOUND_ADDRESS: address,
      ISTIO_META_OUTRIGGER_OUTBOUND_PORT: String(OUTBOUND_PORT),
      ISTIO_META_OUTRIGGER_INBOUND_ADDRESS: address,
      ISTIO_META_OUTRIGGER_INBOUND_PORT: String(INBOUND_PORT),
      ISTIO_META_OUTRIGGER_APP_ADDRESS: app,
    },
  };
}

function podAddresses(index: number, input: PlanInput): PodAddresses {
  return input.mode === MESH_MODES.netns
    ? namespaceAddresses(index)
    : loopbackAddresses(index, input);
}

function controlPlanePlace(input: PlanInput): SocketPlace {
  const address =
    input.mode === MESH_MODES.netns ? BRIDGE_ADDRESS : `127.${input.loopbackByte}.0.1`;
  return { address, port: XDS_PORT };
}

const accountOf = ({ app }: Pick<Workload, 'app'>): string => `bookinfo-${app}`;

function agentEnv(
  workload: Workload,
  addresses: PodAddresses,
  input: PlanInput,
): Record<string, string> {
  const { address, port } = controlPlanePlace(input);
  return {
    POD_NAME: workload.name,
    POD_NAMESPACE: NAMESPACE,
    INSTANCE_IP: addresses.address,
    SERVICE_ACCOUNT: accountOf(workload),
    ISTIO_META_WORKLOAD_NAME: workload.name,
    ISTIO_METAJSON_LABELS: JSON.stringify({ app: workload.app, version: workload.version }),
    PROXY_CONFIG: JSON.stringify({
      discoveryAddress: `${address}:${port}`,
      // Six sidecars share this machine.
      concurrency: 1,
      // Ctrl-C should not take as long as a pod's end in a cluster.
      drainDuration: '1s',
      terminationDrainDuration: '0s',
    }),
    MINIMUM_DRAIN_DURATION: '0s',
    // Its services end with it.
    OUTRIGGER_GRACE_PERIOD: '0s',
    // Six of them start at once: an RSA key takes a second of this machine's time in all.
    ECC_SIGNATURE_ALGORITHM: 'ECDSA',
    ...addresses.modeEnv,
  };
}

/** Without sidecars nothing stands for a service: a name leads straight to its first pod. */
function dialedAddress(service: MeshService, addresses: PodAddresses, input: PlanInput): string {
  if (input.withSidecars) return addresses.serviceAddress(service);
  const first = input.workloads.findIndex(({ app }) => app === service.name);
  return podAddresses(first, input).address;
}

function planPod(workload: Workload, index: number, input: PlanInput): PodPlan {
  const addresses = podAddresses(index, input);
  const { appListen } = addresses;
  const resolves = workload.calls.map((name) => {
    const service = input.services.find((candidate) => candidate.name === name);
    if (service === undefined)
      throw new Error(`${workload.name} calls ${name}, but there is no such Service`);
    return `--resolve=${name}=${dialedAddress(service, addresses, input)}`;
  });
  return {
    name: workload.name,
    app: workload.app,
    version: workload.version,
    address: addresses.address,
    appListen,
    account: { namespace: NAMESPACE, name: accountOf(workload) },
    appFlags: [
      `--listen=${appListen.address}:${appListen.port}`,
      `--version=${workload.version}`,
      `--pod=${workload.name}`,
      ...resolves,
    ],
    agentEnv: input.withSidecars ? agentEnv(workload, addresses, input) : {},
  };
}

function workloadEntry(pod: PodPlan): object {
  const labels = { app: pod.app, version: pod.version };
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'WorkloadEntry',
    metadata: { name: pod.name, namespace: NAMESPACE, labels },
    spec: { address: pod.address, labels, serviceAccount: pod.account.name },
  };
}

export function planMesh(input: PlanInput): MeshPlan {
  const pods = input.workloads.map((workload, index) => planPod(workload, index, input));
  const front = pods.find(({ name }) => name === input.frontPod);
  if (front === undefined) throw new Error(`there is no pod ${input.frontPod}`);
  return {
    mode: input.mode,
    withSidecars: input.withSidecars,
    controlPlane: controlPlanePlace(input),
    pods,
    front: { address: front.address, port: APP_PORT },
    workloadsYaml: pods.map((pod) => stringify(workloadEntry(pod))).join('---\n'),
  };
}

/** Where the processes of a mesh on loopback addresses listen first of all. */
export const listenPlaces = ({ controlPlane, pods }: MeshPlan): SocketPlace[] => [
  controlPlane,
  ...pods.flatMap(({ address, appListen }) => [{ address, port: APP_PORT }, appListen]),
];
