// [m] LifecycleOptions: how this sidecar leaves (istio-contract §6.8), and which ports tell that its application is still there.
import { isObject } from './proxy-config.ts';
import type { ProxyConfig } from './proxy-config.ts';
import type { VariableReader } from './variable-reader.ts';

export interface LifecycleOptions {
  readonly minimumDrainMs: number;
  readonly terminationDrainMs: number;
  readonly exitOnZeroConnections: boolean;
  /** From the first signal to the end of all, as the pod's terminationGracePeriodSeconds, which nobody tells a container. */
  readonly gracePeriodMs: number;
  /** Somebody did tell us: no more than a usual one is known else. */
  readonly graceIsKnown: boolean;
  /** TCP ports that the application's containers declare. */
  readonly appPorts: readonly number[];
}

const MAX_PORTS = 256;

export function readLifecycle(proxyConfig: ProxyConfig, read: VariableReader): LifecycleOptions {
  const gracePeriodMs = read.durationMs('OUTRIGGER_GRACE_PERIOD', '30s');
  return {
    minimumDrainMs: read.durationMs('MINIMUM_DRAIN_DURATION', '5s'),
    terminationDrainMs: proxyConfig.terminationDrainDurationMs,
    exitOnZeroConnections: read.flag('EXIT_ON_ZERO_ACTIVE_CONNECTIONS', false),
    gracePeriodMs,
    graceIsKnown: gracePeriodMs > 0 && read.text('OUTRIGGER_GRACE_PERIOD', '') !== '',
    appPorts: parsePodPorts(read.text('ISTIO_META_POD_PORTS', '')),
  };
}

/** `[{"name":"http","containerPort":8080,"protocol":"TCP"}]`; what cannot be read names no port. */
function parsePodPorts(text: string): readonly number[] {
  let list: unknown;
  try {
    list = text === '' ? [] : JSON.parse(text);
  } catch {
    return [];
  }
  if (!Array.isArray(list)) return [];
  return list.slice(0, MAX_PORTS).flatMap((entry: unknown) => {
    if (!isObject(entry) || (entry['protocol'] ?? 'TCP') !== 'TCP') return [];
    const port = entry['containerPort'];
    return typeof port === 'number' && port > 0 && port < 65_536 ? [port] : [];
  });
}
