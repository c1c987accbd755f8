// [w] Network filters beside the connection manager and tcp_proxy: gates before the last one of a chain, and those that answer by themselves.
import type { GateConfig, SniForwardProxyConfig } from '../config/network-filter-config.ts';
import {
  ConnectionFilterState,
  ConnectionRateLimit,
  SniCluster,
} from '../filters/network/connection-gates.ts';
import { ConnectionLimit } from '../filters/network/connection-limit.ts';
import { MissingFilterFactory } from '../filters/network/missing-settings.ts';
import type { TerminalFilterFactory } from '../filters/network/network-filter.ts';
import { GatedFilterFactory } from '../filters/network/network-gate.ts';
import type { NetworkGate } from '../filters/network/network-gate.ts';
import { DirectResponseFactory, EchoFactory } from '../filters/network/own-answers.ts';
import { SniForwardProxyFactory } from '../filters/network/sni-forward-proxy.ts';
import { SharedTokenBucket } from '../filters/http/shared-token-bucket.ts';
import type { ChainBuilderParts } from './chain-builder.ts';

/** `identity`: the same in all workers and through updates in place, and no other filter's. */
export function createGate(
  filter: GateConfig,
  identity: string,
  parts: ChainBuilderParts,
): NetworkGate {
  const { store, runtime, sharedCounts, tokenBuckets, routeEnvironment, io } = parts;
  switch (filter.kind) {
    case 'sni_cluster':
      return new SniCluster();
    case 'connection_limit': {
      const count = sharedCounts.of(`connection_limit ${identity}`);
      return new ConnectionLimit(filter.settings, { store, runtime, count });
    }
    case 'network_rate_limit': {
      const { tokenBucket } = filter.settings;
      const words = tokenBuckets.wordsFor(tokenBucket);
      const bucket = new SharedTokenBucket(tokenBucket, words, io.time);
      return new ConnectionRateLimit(filter.settings, { store, runtime, bucket });
    }
    case 'connection_filter_state':
      return new ConnectionFilterState(filter.settings, routeEnvironment.format, io.time);
  }
}

/** `terminal` behind all of them. */
export const behindGates = (
  gates: readonly NetworkGate[],
  terminal: TerminalFilterFactory,
): TerminalFilterFactory => new GatedFilterFactory(gates, terminal);

export const holdingForName = (
  config: SniForwardProxyConfig,
  { asked }: ChainBuilderParts,
  terminal: TerminalFilterFactory,
): TerminalFilterFactory => new SniForwardProxyFactory(config, asked.forwardHosts, terminal);

export const missingFilter = (
  listener: string,
  { store }: ChainBuilderParts,
): TerminalFilterFactory => new MissingFilterFactory(store, listener);

export const ownAnswer = (text: string | null): TerminalFilterFactory =>
  text === null ? new EchoFactory() : new DirectResponseFactory(text);
