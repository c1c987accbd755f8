// [m] Decodes listeners and filter chains (envoy-behaviour §8.2–8.4, istio-contract §2).
import type { FilterChain, Listener } from '../../xds-protos/gen/envoy.config.listener.v3.ts';
import type {
  AddressConfig,
  FilterChainConfig,
  ListenerConfig,
} from '../config/listener-config.ts';
import { decodeAccessLogs } from './access-logs.ts';
import { decodeAddress } from './address-decoder.ts';
import { ConfigProblems } from './config-problems.ts';
import type { FieldObserver } from './config-problems.ts';
import { contentHash } from './content-hash.ts';
import { FieldReader } from './field-reader.ts';
import {
  FilterChainMatchRegistry,
  MATCH_ANY,
  decodeFilterChainMatch,
} from './filter-chain-match-decoder.ts';
import { decodeListenSockets } from './listen-socket-decoder.ts';
import { decodeListenerFilters } from './listener-filter-decoder.ts';
import { decodeNetworkFilters } from './network-filter-decoder.ts';
import { decodeMetadata } from './metadata-decoder.ts';
import { decodeTransportSocket } from './transport-socket-decoder.ts';

const DEFAULT_LISTENER_FILTERS_TIMEOUT_MS = 15_000;
const DEFAULT_BUFFER_LIMIT_BYTES = 1_048_576;
/** Cut by the kernel to net.core.somaxconn, which is Envoy's default on Linux. */
const DEFAULT_BACKLOG = 0x7fff_ffff;

type Reader = FieldReader<Listener>;

/** A listener from LDS, which has to have a name. Throws ConfigError with every problem. */
export function decodeListener(
  message: Listener,
  version: string,
  watch?: FieldObserver,
): ListenerConfig {
  const problems = new ConfigProblems(watch);
  const reader = new FieldReader(message, '', problems);
  reader.requiredString('name');
  const config = readListener(reader, version);
  problems.throwIfAny();
  return config;
}

/** A listener inside a larger message: problems go to the reader's collector. Nameless ones are called by address. */
export function readListener(reader: Reader, version: string): ListenerConfig {
  refuseUnbuilt(reader);
  const address = decodeAddress(reader.required('address'), false);
  const defaultChain = reader.child('default_filter_chain');
  const content = {
    name: reader.nonEmpty('name') ?? printAddress(address),
    address,
    additionalAddresses: reader
      .children('additional_addresses')
      .map((additional) => decodeAddress(additional.required('address'), false)),
    bindToPort: reader.bool('bind_to_port', reader.message.deprecated_v1?.bind_to_port ?? true),
    useOriginalDst: reader.bool('use_original_dst'),
    trafficDirection: reader.enumName('traffic_direction', 'UNSPECIFIED'),
    listenerFilters: decodeListenerFilters(reader.children('listener_filters')),
    listenerFiltersTimeoutMs: reader.durationMs(
      'listener_filters_timeout',
      DEFAULT_LISTENER_FILTERS_TIMEOUT_MS,
    ),
    continueOnListenerFiltersTimeout: reader.bool('continue_on_listener_filters_timeout'),
    filterChains: decodeFilterChains(reader, printAddress(address)),
    defaultFilterChain: defaultChain && decodeFilterChain(defaultChain),
    accessLogs: decodeAccessLogs(reader.children('access_log')),
    perConnectionBufferLimitBytes: reader.number(
      'per_connection_buffer_limit_bytes',
      DEFAULT_BUFFER_LIMIT_BYTES,
    ),
    tcpBacklogSize: reader.number('tcp_backlog_size', DEFAULT_BACKLOG),
    statPrefix: reader.nonEmpty('stat_prefix') ?? printAddress(address).replaceAll(':', '_'),
    drainType: reader.enumName('drain_type', 'DEFAULT'),
    ...decodeListenSockets(reader),
    metadata: decodeMetadata(reader.child('metadata')),
    inert: inertFields(reader),
  };
  return { ...content, version, hash: contentHash(content) };
}

function refuseUnbuilt(reader: Reader): void {
  reader.refuse('api_listener');
  reader.refuse('internal_listener');
  reader.refuse('udp_listener_config');
  reader.refuse('filter_chain_matcher');
  reader.refuse('fcds_config');
  reader.refuse('stats_matcher');
  for (const address of reader.children('additional_addresses')) address.refuse('socket_options');
}

const INERT_FIELDS = ['per_connection_buffer_high_watermark_timeout'] as const;

const inertFields = (reader: Reader): readonly string[] => {
  const inert: string[] = INERT_FIELDS.filter((field) => reader.has(field));
  if (reader.child('connection_balance_config')?.has('cpu_locality_balance') === true)
    inert.push('connection_balance_config.cpu_locality_balance');
  return inert;
};

/** `ip:port`, IPv6 in brackets, or the path of a pipe: as Envoy prints an address. */
export function printAddress(address: AddressConfig): string {
  if (address.kind === 'pipe') return address.path;
  return address.address.includes(':')
    ? `[${address.address}]:${address.port}`
    : `${address.address}:${address.port}`;
}

function decodeFilterChains(reader: Reader, printed: string): readonly FilterChainConfig[] {
  const registry = new FilterChainMatchRegistry();
  const chains = reader.children('filter_chains').map((chain) => {
    const config = decodeFilterChain(chain);
    const problem = registry.add(config.name, config.match, chain.message.filter_chain_match);
    if (problem !== undefined)
      chain.problem('filter_chain_match', `error adding listener '${printed}': ${problem}`);
    return config;
  });
  if (chains.length === 0 && !reader.has('default_filter_chain')) {
    reader.problem(
      'filter_chains',
      `error adding listener '${printed}': no filter chains specified`,
    );
  }
  return chains;
}

function decodeFilterChain(reader: FieldReader<FilterChain>): FilterChainConfig {
  reader.refuse('use_proxy_proto');
  const match = reader.child('filter_chain_match');
  const content = {
    name: reader.string('name'),
    match: match === undefined ? MATCH_ANY : decodeFilterChainMatch(match),
    transportSocket: decodeTransportSocket(reader.child('transport_socket'), 'downstream'),
    transportSocketConnectTimeoutMs: reader.durationMs('transport_socket_connect_timeout', 0),
    networkFilters: decodeNetworkFilters(reader.children('filters')),
  };
  return { ...content, hash: contentHash(content) };
}
