// [m] VirtualService, PeerAuthentication and Sidecar. Istio: networking/v1, security/v1.
import type { FieldReader } from './field-reader.ts';
import { readHttpRoute } from './http-route-reader.ts';
import { MTLS_MODES } from './istio-model.ts';
import type {
  ConfigMeta,
  MtlsMode,
  PeerAuthentication,
  Sidecar,
  VirtualService,
} from './istio-model.ts';

/** Gateway name that stands for all sidecars. */
export const MESH_GATEWAY = 'mesh';

export function readVirtualService(meta: ConfigMeta, spec: FieldReader): VirtualService {
  spec.unsupported(['tcp', 'tls']).object(['hosts', 'gateways', 'http', 'exportTo', 'tcp', 'tls']);
  const hosts = spec.at('hosts').required().texts();
  if (spec.at('hosts').present && hosts.length === 0)
    spec.at('hosts').fail('must name at least one host');
  const gateways = spec.at('gateways').texts();
  return {
    meta,
    hosts,
    gateways: gateways.length === 0 ? [MESH_GATEWAY] : gateways,
    exportTo: spec.at('exportTo').texts(),
    http: spec
      .at('http')
      .items()
      .map((item) => ({
        ...readHttpRoute(item),
        configPath: `/apis/networking.istio.io/v1/namespaces/${meta.namespace}/virtual-service/${meta.name}`,
      })),
  };
}

const readSelector = (field: FieldReader, key: string): ReadonlyMap<string, string> =>
  field.object([key]).at(key).textMap();

function readMode(field: FieldReader): MtlsMode | undefined {
  const mode = field
    .object(['mode'])
    .at('mode')
    .choice([...MTLS_MODES, 'UNSET']);
  return mode === 'UNSET' ? undefined : mode;
}

export function readPeerAuthentication(meta: ConfigMeta, spec: FieldReader): PeerAuthentication {
  spec.object(['selector', 'mtls', 'portLevelMtls']);
  const portModes = new Map<number, MtlsMode>();
  for (const [key, field] of spec.at('portLevelMtls').entries()) {
    const mode = readMode(field);
    if (!/^[1-9][0-9]{0,4}$/.test(key)) field.fail('must be keyed by a port number');
    else if (mode !== undefined) portModes.set(Number(key), mode);
  }
  return {
    meta,
    selector: readSelector(spec.at('selector'), 'matchLabels'),
    mode: readMode(spec.at('mtls')),
    portModes,
  };
}

export function readSidecar(meta: ConfigMeta, spec: FieldReader): Sidecar {
  spec
    .unsupported(['ingress', 'inboundConnectionPool'])
    .object([
      'workloadSelector',
      'egress',
      'outboundTrafficPolicy',
      'ingress',
      'inboundConnectionPool',
    ]);
  const egress = spec.at('egress').items();
  for (const item of egress)
    item
      .unsupported(['port', 'bind', 'captureMode'])
      .object(['hosts', 'port', 'bind', 'captureMode']);
  const policy = spec
    .at('outboundTrafficPolicy')
    .object(['mode'])
    .at('mode')
    .choice(['ALLOW_ANY', 'REGISTRY_ONLY']);
  const hosts = egress
    .flatMap((item) => item.at('hosts').items())
    .flatMap((item) => {
      const text = item.text();
      return text === undefined || text.includes('/')
        ? (text ?? [])
        : (item.fail(
            'must be namespace/host, such as ./* or default/reviews.default.svc.cluster.local',
          ) ?? []);
    });
  return {
    meta,
    selector: readSelector(spec.at('workloadSelector'), 'labels'),
    egressHosts: spec.at('egress').present ? hosts : undefined,
    allowAny: policy === undefined ? undefined : policy === 'ALLOW_ANY',
  };
}
