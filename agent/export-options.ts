// [m] ExportOptions: where the proxy sends spans, stats and access logs, as ProxyConfig names it (istio-contract §5.2, §5.3). Most meshes say it by Telemetry instead, over xDS.
import { isObject } from './proxy-config.ts';
import type { JsonObject, ProxyConfig } from './proxy-config.ts';
import type { VariableReader } from './variable-reader.ts';

export interface ExportOptions {
  readonly tracer: TracerOptions | undefined;
  readonly metricsService: ExportTarget | undefined;
  readonly accessLogService: ExportTarget | undefined;
  readonly statsd: ExportTarget | undefined;
}

export interface ExportTarget {
  readonly host: string;
  readonly port: number;
  readonly tls: ExportTls | undefined;
  /** TcpKeepalive as ProxyConfig has it. */
  readonly keepalive: JsonObject | undefined;
}

export type TracerOptions = ExportTarget & {
  readonly kind: 'zipkin' | 'datadog';
};

/** Networking's ClientTLSSettings. */
export interface ExportTls {
  readonly mode: 'SIMPLE' | 'MUTUAL' | 'ISTIO_MUTUAL';
  readonly sni: string;
  readonly clientCertificate: string;
  readonly privateKey: string;
  readonly caCertificates: string;
  readonly subjectAltNames: readonly string[];
}

const HOST_PORT = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253})):([0-9]{1,5})$/;
const TLS_MODES = new Map<unknown, ExportTls['mode'] | undefined>([
  [undefined, undefined],
  ['DISABLE', undefined],
  ['SIMPLE', 'SIMPLE'],
  ['MUTUAL', 'MUTUAL'],
  ['ISTIO_MUTUAL', 'ISTIO_MUTUAL'],
]);

class ExportReader {
  readonly #read: VariableReader;
  readonly #warnings: string[];

  constructor(read: VariableReader, warnings: string[]) {
    this.#read = read;
    this.#warnings = warnings;
  }

  /** `settings`: a message with `address`, `tlsSettings` and `tcpKeepalive`, or the address alone. */
  target(field: string, settings: unknown, fallback = ''): ExportTarget | undefined {
    if (settings === undefined) return undefined;
    const message: JsonObject = isObject(settings) ? settings : { address: settings };
    const given = message['address'];
    // Stock lets a template name the machine that way.
    const address = (typeof given === 'string' && given !== '' ? given : fallback).replace(
      '$(HOST_IP)',
      () => this.#read.text('HOST_IP', ''),
    );
    const [, v6, name, portText] = HOST_PORT.exec(address) ?? [];
    const [host, port] = [v6 ?? name, Number(portText)];
    if (host === undefined || port < 1 || port > 65_535) {
      this.#read.problems.push(`ProxyConfig.${field}: must be host:port, not "${address}"`);
      return undefined;
    }
    const keepalive = message['tcpKeepalive'];
    return {
      host,
      port,
      tls: this.#tls(field, message['tlsSettings']),
      keepalive: isObject(keepalive) ? keepalive : undefined,
    };
  }

  tracer(tracing: unknown): TracerOptions | undefined {
    if (!isObject(tracing)) return undefined;
    const { zipkin, datadog, tlsSettings } = tracing;
    const kind = isObject(zipkin) ? 'zipkin' : isObject(datadog) ? 'datadog' : undefined;
    for (const other of ['lightstep', 'stackdriver', 'openCensusAgent']) {
      if (tracing[other] !== undefined)
        this.#warnings.push(
          `ProxyConfig.tracing.${other}: gets no spans, as it is no tracer any more; name one by Telemetry`,
        );
    }
    if (kind === undefined) return undefined;
    const { address } = (kind === 'zipkin' ? zipkin : datadog) as JsonObject;
    const fallback = kind === 'datadog' ? '$(HOST_IP):8126' : '';
    const target = this.target(`tracing.${kind}.address`, { address, tlsSettings }, fallback);
    return target && { kind, ...target };
  }

  #tls(field: string, settings: unknown): ExportTls | undefined {
    if (!isObject(settings)) return undefined;
    const mode = TLS_MODES.get(settings['mode']);
    if (!TLS_MODES.has(settings['mode']))
      this.#read.problems.push(
        `ProxyConfig.${field}: tlsSettings.mode must be DISABLE, SIMPLE, MUTUAL or ISTIO_MUTUAL`,
      );
    if (mode === undefined) return undefined;
    const text = (name: string): string => {
      const value = settings[name];
      return typeof value === 'string' ? value : '';
    };
    const names = settings['subjectAltNames'];
    const tls: ExportTls = {
      mode,
      sni: text('sni'),
      clientCertificate: text('clientCertificate'),
      privateKey: text('privateKey'),
      caCertificates: text('caCertificates'),
      subjectAltNames: Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [],
    };
    if (mode === 'MUTUAL' && (tls.clientCertificate === '' || tls.privateKey === ''))
      this.#read.problems.push(
        `ProxyConfig.${field}: tlsSettings of mode MUTUAL need clientCertificate and privateKey`,
      );
    return tls;
  }
}

export function readExports(
  { message }: ProxyConfig,
  read: VariableReader,
  warnings: string[],
): ExportOptions {
  const reader = new ExportReader(read, warnings);
  const statsd = message['statsdUdpAddress'];
  return {
    tracer: reader.tracer(message['tracing']),
    metricsService: reader.target('envoyMetricsService', message['envoyMetricsService']),
    accessLogService: reader.target('envoyAccessLogService', message['envoyAccessLogService']),
    statsd: statsd === '' ? undefined : reader.target('statsdUdpAddress', statsd),
  };
}
