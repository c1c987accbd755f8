// [m] What stands behind the redirect rules in redirect.test.ts: our proxy with the two listeners of a sidecar, each a plain pass-through.
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

import { privateDir } from '../support/private-dir.ts';
import type { Teardowns } from '../support/private-dir.ts';
import { proxyArguments } from '../support/replay-proxy.ts';

/** What runs behind the rules, as uid 1337. */
export interface ProxyCommand {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Whether this line of its standard output says that both ports are open. */
  readonly isReady: (line: string) => boolean;
  /** `15006 10.77.0.1:8080` where the line reports a captured connection, else undefined. */
  readonly captureOf: (line: string) => string | undefined;
}

const OUTBOUND = 15001;
const INBOUND = 15006;
const MARK = 'captured ';

function tcpProxy(port: number, cluster: string): object {
  const line = `${MARK}${port} %DOWNSTREAM_LOCAL_ADDRESS%\n`;
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
      stat_prefix: cluster,
      cluster,
      access_log: [
        {
          name: 'envoy.access_loggers.file',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
            path: '/dev/stdout',
            log_format: { text_format_source: { inline_string: line } },
          },
        },
      ],
    },
  };
}

const socketAddress = (address: string, port: number): object => ({
  socket_address: { address, port_value: port },
});

/** On both families, as Istio listens in dual-stack clusters. */
function listener(name: string, port: number, rest: object): object {
  return {
    name,
    address: socketAddress('0.0.0.0', port),
    additional_addresses: [{ address: socketAddress('::', port) }],
    ...rest,
  };
}

function cluster(name: string, source: string | undefined): object {
  return {
    name,
    type: 'ORIGINAL_DST',
    lb_policy: 'CLUSTER_PROVIDED',
    connect_timeout: '5s',
    ...(source === undefined
      ? {}
      : { upstream_bind_config: { source_address: { address: source, port_value: 0 } } }),
  };
}

const IPV6 = { prefix_ranges: [{ address_prefix: '::', prefix_len: 0 }] };

function bootstrap(): object {
  const restore = {
    name: 'envoy.filters.listener.original_dst',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst',
    },
  };
  const outbound = listener('virtualOutbound', OUTBOUND, {
    use_original_dst: true,
    traffic_direction: 'OUTBOUND',
    filter_chains: [{ filters: [tcpProxy(OUTBOUND, 'outbound')] }],
  });
  const inbound = listener('virtualInbound', INBOUND, {
    listener_filters: [restore],
    traffic_direction: 'INBOUND',
    filter_chains: [
      { name: 'IPv6', filter_chain_match: IPV6, filters: [tcpProxy(INBOUND, 'inbound-v6')] },
      { name: 'IPv4', filters: [tcpProxy(INBOUND, 'inbound-v4')] },
    ],
  });
  return {
    node: { id: 'redirect-test', cluster: 'redirect-test' },
    static_resources: {
      listeners: [outbound, inbound],
      clusters: [
        cluster('outbound', undefined),
        cluster('inbound-v4', '127.0.0.6'),
        cluster('inbound-v6', '::6'),
      ],
    },
  };
}

export function realProxy(t: Teardowns): ProxyCommand {
  const dir = privateDir(t);
  chmodSync(dir, 0o755);
  const path = join(dir, 'bootstrap.json');
  writeFileSync(path, JSON.stringify(bootstrap()));
  return {
    name: 'outrigger-proxy',
    command: 'sh',
    // Its log, which says when it is ready, goes to standard error.
    args: ['-c', 'exec "$@" 2>&1', 'sh', process.execPath, ...proxyArguments(path)],
    isReady: (line) => line.includes('the server is live'),
    captureOf: (line) => (line.startsWith(MARK) ? line.slice(MARK.length) : undefined),
  };
}
