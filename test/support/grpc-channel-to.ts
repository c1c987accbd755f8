// A gRPC channel of the proxy to a server of a test.
import { realTime } from '../../proxy/base/clock.ts';
import type { ClusterConfig } from '../../proxy/config/cluster-config.ts';
import { parseIpPort } from '../../proxy/network/address.ts';
import { ControlChannels } from '../../proxy/server/grpc/control-channels.ts';
import { ControlTls } from '../../proxy/server/grpc/control-tls.ts';
import type { Http2Channel } from '../../proxy/grpc/http2-channel.ts';
import { StatsStore } from '../../proxy/stats/store.ts';
import { Host } from '../../proxy/upstream/host.ts';
import { captureLog } from './captured-log.ts';
import { sampleCluster, sampleEndpoint } from './config-samples.ts';

/** `target`: `ip:port` or `unix:/path`. */
export function channelTo(
  target: string,
  authority = '',
  more: Partial<ClusterConfig> = {},
): Http2Channel {
  const stats = new StatsStore();
  const tls = new ControlTls({
    time: realTime,
    stats,
    log: captureLog().logger,
    ticketSecret: new Uint8Array(32),
    workers: () => ({ publishSecret() {}, removeSecret() {} }),
  });
  const cluster = { ...sampleCluster('xds-grpc'), ...more };
  const host = new Host(endpointOf(target), 0);
  return new ControlChannels(realTime, stats, tls).open(cluster, host, authority);
}

function endpointOf(target: string): ConstructorParameters<typeof Host>[0] {
  if (target.startsWith('unix:')) {
    const path = target.slice('unix:'.length);
    return { ...sampleEndpoint('127.0.0.1', 1), address: { kind: 'pipe', path, mode: 0 } };
  }
  const to = parseIpPort(target);
  if (to === null) throw new Error(`a test gave the target '${target}'`);
  return sampleEndpoint(to.ip, to.port);
}
