// [m] One YAML document to one piece of configuration: kind, API version and metadata first, then the kind's own reader.
import type { ConfigProblem } from './config-problem.ts';
import { readDestinationRule } from './destination-rule-reader.ts';
import { FieldReader, pathOf } from './field-reader.ts';
import type { ProblemSink } from './field-reader.ts';
import type { ConfigItem, ConfigMeta } from './istio-model.ts';
import { readMeshConfig } from './mesh-config.ts';
import type { MeshConfig } from './mesh-config.ts';
import { readRouteRule } from './route-rule.ts';
import { readPeerAuthentication, readSidecar, readVirtualService } from './routing-reader.ts';
import {
  readEndpoints,
  readEndpointSlice,
  readKubernetesService,
  readPod,
  readPodController,
  readServiceEntry,
  readWorkloadEntry,
} from './service-reader.ts';
import type { FieldKey, YamlDocument } from './yaml-document.ts';

export interface FileContent {
  readonly items: readonly ConfigItem[];
  readonly mesh: MeshConfig | undefined;
}

interface KindReader {
  /** API versions without the group's `/`-less core form: `v1` or `group/version`. */
  readonly versions: readonly string[];
  read(meta: ConfigMeta, document: FieldReader): ConfigItem[];
}

const NETWORKING = [
  'networking.istio.io/v1',
  'networking.istio.io/v1beta1',
  'networking.istio.io/v1alpha3',
];
const SECURITY = ['security.istio.io/v1', 'security.istio.io/v1beta1'];

function workloads(read: typeof readPod): KindReader['read'] {
  return (meta, document) =>
    read(meta, document).map((value) => ({ type: 'workload', meta, value }));
}

const podController: KindReader = { versions: ['apps/v1'], read: workloads(readPodController) };

const KINDS: ReadonlyMap<string, KindReader> = new Map<string, KindReader>([
  [
    'VirtualService',
    {
      versions: NETWORKING,
      read: (meta, d) => [
        { type: 'virtual-service', meta, value: readVirtualService(meta, d.at('spec').required()) },
      ],
    },
  ],
  [
    'DestinationRule',
    {
      versions: NETWORKING,
      read: (meta, d) => [
        {
          type: 'destination-rule',
          meta,
          value: readDestinationRule(meta, d.at('spec').required()),
        },
      ],
    },
  ],
  [
    'ServiceEntry',
    {
      versions: NETWORKING,
      read: (meta, d) => [
        { type: 'service', meta, value: readServiceEntry(meta, d.at('spec').required()) },
      ],
    },
  ],
  [
    'WorkloadEntry',
    {
      versions: NETWORKING,
      read: (meta, d) => [
        { type: 'workload', meta, value: readWorkloadEntry(meta, d.at('spec').required()) },
      ],
    },
  ],
  [
    'Sidecar',
    {
      versions: NETWORKING,
      read: (meta, d) => [{ type: 'sidecar', meta, value: readSidecar(meta, d.at('spec')) }],
    },
  ],
  [
    'PeerAuthentication',
    {
      versions: SECURITY,
      read: (meta, d) => [
        { type: 'peer-authentication', meta, value: readPeerAuthentication(meta, d.at('spec')) },
      ],
    },
  ],
  [
    'RouteRule',
    {
      versions: ['config.istio.io/v1alpha2'],
      read: (meta, d) => [
        { type: 'route-rule', meta, value: readRouteRule(meta, d.at('spec').required()) },
      ],
    },
  ],
  [
    'Service',
    {
      versions: ['v1'],
      read: (meta, d) => [
        { type: 'service', meta, value: [readKubernetesService(meta, d.at('spec').required())] },
      ],
    },
  ],
  ['Pod', { versions: ['v1'], read: workloads(readPod) }],
  [
    'Endpoints',
    {
      versions: ['v1'],
      read: (meta, d) => [{ type: 'endpoints', meta, value: readEndpoints(meta, d) }],
    },
  ],
  [
    'EndpointSlice',
    {
      versions: ['discovery.k8s.io/v1'],
      read: (meta, d) => [{ type: 'endpoints', meta, value: readEndpointSlice(meta, d) }],
    },
  ],
  ['Deployment', podController],
  ['StatefulSet', podController],
  ['DaemonSet', podController],
  ['ReplicaSet', podController],
]);

/** Kinds that say nothing about traffic and stand beside the others in every application's YAML. */
const IGNORED: readonly string[] = [
  'ServiceAccount',
  'Namespace',
  'ConfigMap',
  'Secret',
  'PersistentVolume',
  'PersistentVolumeClaim',
  'Ingress',
];

/** Leaving these out would let requests through that they forbid: their file is refused. */
const ENFORCING: readonly string[] = ['AuthorizationPolicy', 'RequestAuthentication'];

const NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

class DocumentSink implements ProblemSink {
  readonly #file: string;
  readonly #document: YamlDocument;
  readonly #problems: ConfigProblem[];

  constructor(file: string, document: YamlDocument, problems: ConfigProblem[]) {
    this.#file = file;
    this.#document = document;
    this.#problems = problems;
  }

  error(keys: readonly FieldKey[], message: string): void {
    this.#add('error', keys, message);
  }

  warning(keys: readonly FieldKey[], message: string): void {
    this.#add('warning', keys, message);
  }

  #add(severity: ConfigProblem['severity'], keys: readonly FieldKey[], message: string): void {
    const line = this.#document.lineOf(keys);
    this.#problems.push({
      severity,
      file: this.#file,
      document: this.#document.index,
      line,
      path: pathOf(keys),
      message,
    });
  }
}

function readMeta(
  document: FieldReader,
  place: { file: string; document: YamlDocument },
  kind: string,
): ConfigMeta {
  const metadata = document.at('metadata').required();
  const name = metadata.at('name').requiredText();
  const namespace = metadata.at('namespace').text() ?? 'default';
  if (name !== '' && !NAME.test(name))
    metadata.at('name').fail('must be lower-case letters, digits, dashes and dots');
  if (!NAME.test(namespace))
    metadata.at('namespace').fail('must be lower-case letters, digits and dashes');
  return {
    kind,
    name,
    namespace,
    labels: metadata.at('labels').textMap(),
    annotations: metadata.at('annotations').textMap(),
    file: place.file,
    document: place.document.index,
    line: place.document.lineOf([]),
  };
}

function readKind(document: FieldReader, file: string, place: YamlDocument): ConfigItem[] {
  const kind = document.at('kind').requiredText();
  const version = document.at('apiVersion').requiredText();
  if (kind === '' || version === '') return [];
  const reader = KINDS.get(kind);
  if (reader === undefined) {
    if (ENFORCING.includes(kind))
      document
        .at('kind')
        .fail(`${kind} is not supported by the embedded control plane; use istiod`);
    else if (!IGNORED.includes(kind))
      document.at('kind').warn(`${kind} has no effect in the embedded control plane`);
    return [];
  }
  if (!reader.versions.includes(version)) {
    document
      .at('apiVersion')
      .fail(`must be ${reader.versions.join(' or ')} for kind ${kind}, not ${version}`);
    return [];
  }
  return reader.read(readMeta(document, { file, document: place }, kind), document);
}

/** The mesh's own settings have neither kind nor metadata, and stand in `mesh.yaml`. */
const isMeshFile = (file: string): boolean => /(^|\/)mesh\.ya?ml$/.test(file);

/** Everything of one file, and every problem in it; the content counts only if none of them is an error. */
export function readDocuments(
  file: string,
  documents: readonly YamlDocument[],
  problems: ConfigProblem[],
): FileContent {
  const items: ConfigItem[] = [];
  let mesh: MeshConfig | undefined;
  const seen = new Map<string, number>();
  for (const document of documents) {
    const root = new FieldReader(document.value, [], new DocumentSink(file, document, problems));
    if (!(document.value instanceof Map)) {
      root.fail('must be a mapping with apiVersion, kind and metadata');
    } else if (isMeshFile(file) && !root.at('kind').present) {
      mesh = readMeshConfig(root);
    } else {
      for (const item of readKind(root, file, document)) {
        const key = `${item.meta.kind}/${item.meta.namespace}/${item.meta.name}`;
        const before = seen.get(key);
        if (before !== undefined && before !== document.index)
          root.fail(`${key} stands in document ${before} already`);
        seen.set(key, document.index);
        items.push(item);
      }
    }
  }
  return { items, mesh };
}
