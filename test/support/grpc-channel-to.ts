// A gRPC channel of the proxy to a server of a test.
import { realTime } from '../../proxy/base/clock.ts';
import { parseIpPort } from '../../proxy/network/address.ts';
import { ControlChannels } from '../../proxy/server/grpc/control-channels.ts';
import type { Http2Channel } from '../../proxy/server/grpc/http2-channel.ts';
import { StatsStore } from '../../proxy/stats/store.ts';

/** `target`: `ip:port` or `unix:/path`. */
export function channelTo(target: string, authority = ''): Http2Channel {
  const channels = new ControlChannels(realTime, new StatsStore());
  const cluster = { name: 'xds-grpc', statName: 'xds-grpc', connectTimeoutMs: 5000 };
  if (target.startsWith('unix:')) {
    const path = target.slice('unix:'.length);
    return channels.open(cluster, { kind: 'pipe', path, mode: 0 }, authority);
  }
  const to = parseIpPort(target);
  if (to === null) throw new Error(`a test gave the target '${target}'`);
  return channels.open(cluster, { kind: 'ip', address: to.ip, port: to.port }, authority);
}
