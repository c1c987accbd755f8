// [b] Rate limit actions, compiled: each gives one entry of a descriptor, leaves its entry out, or gives up the whole.
import { configValue } from '../access-log/metadata-value.ts';
import { decodedQueryParameter } from '../access-log/query-text.ts';
import type { RateLimitActionConfig } from '../config/rate-limit-config.ts';
import type { QueryMatchConfig } from '../config/matcher-config.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { headerName } from '../http/headers.ts';
import type { Route } from '../http/route-provider.ts';
import { Cidr, maskedIp, parseIp } from '../network/address.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { ConfigMetadata } from '../stream-info/upstream-facts.ts';
import { allHeadersMatch, compileHeaderMatchers } from './header-matcher.ts';
import { StringMatcher } from './string-matcher.ts';
import { wireText } from './wire-text.ts';

/** Both are wire text: one character a byte. */
export interface RateLimitEntry {
  readonly key: string;
  readonly value: string;
}

/** What descriptors are made of. */
export interface RateLimitSubject {
  readonly headers: RequestHeaders;
  readonly info: StreamInfo;
  readonly route: Route | null;
  /** `metadata.filter_metadata` of the route, as JSON text by namespace. */
  readonly routeMetadata: ConfigMetadata;
  /** `--service-cluster`. */
  readonly serviceCluster: string;
}

/** `null`: this entry is left out. */
export const NO_ENTRY = null;
/** `undefined`: there is no descriptor. */
export const NO_DESCRIPTOR = undefined;

export type RateLimitAction = (
  subject: RateLimitSubject,
) => RateLimitEntry | typeof NO_ENTRY | typeof NO_DESCRIPTOR;

type ConfigOf<K extends RateLimitActionConfig['kind']> = Extract<
  RateLimitActionConfig,
  { readonly kind: K }
>;

/** Throws ConfigError with `place` for a bad regex. */
export function compileRateLimitAction(
  config: RateLimitActionConfig,
  place: string,
): RateLimitAction {
  switch (config.kind) {
    case 'source_cluster':
      return (subject) => ({
        key: 'source_cluster',
        value: wireText(subject.serviceCluster),
      });
    case 'destination_cluster':
      return ({ route }) => {
        const cluster = route === null ? '' : route.clusterName;
        return cluster === ''
          ? NO_DESCRIPTOR
          : { key: 'destination_cluster', value: wireText(cluster) };
      };
    case 'remote_address':
      return ({ info }) =>
        info.remoteIp === '' ? NO_DESCRIPTOR : { key: 'remote_address', value: info.remoteIp };
    case 'masked_remote_address':
      return maskedRemoteAddress(config);
    case 'generic_key':
      return constantEntry(config.key, config.value, () => true);
    case 'request_header':
      return requestHeader(config);
    case 'query_parameter':
      return queryParameter(config);
    case 'header_match': {
      const matchers = compileHeaderMatchers(config.headers, `${place}.header_value_match.headers`);
      return constantEntry(
        config.key,
        config.value,
        ({ headers }) => allHeadersMatch(matchers, headers) === config.expectMatch,
      );
    }
    case 'query_match':
      return queryMatch(config, `${place}.query_parameter_value_match.query_parameters`);
    case 'remote_address_match':
      return remoteAddressMatch(config);
    case 'metadata':
      return metadata(config);
  }
}

/** The same entry for every request that passes the test. */
function constantEntry(
  key: string,
  value: string,
  test: (subject: RateLimitSubject) => boolean,
): RateLimitAction {
  const entry = { key: wireText(key), value: wireText(value) };
  return (subject) => (test(subject) ? entry : NO_DESCRIPTOR);
}

function maskedRemoteAddress(config: ConfigOf<'masked_remote_address'>): RateLimitAction {
  return ({ info }) => {
    const value = maskedIp(info.remoteIp, config.v4PrefixLength, config.v6PrefixLength);
    return value === null ? NO_DESCRIPTOR : { key: 'masked_remote_address', value };
  };
}

function requestHeader(config: ConfigOf<'request_header' | 'query_parameter'>): RateLimitAction {
  const name = headerName(config.name);
  return valueEntry(config, ({ headers }) => headers.getAny(name));
}

function queryParameter(config: ConfigOf<'request_header' | 'query_parameter'>): RateLimitAction {
  const name = wireText(config.name);
  return valueEntry(
    config,
    ({ headers }) => decodedQueryParameter(headers.path, name) ?? undefined,
  );
}

function valueEntry(
  config: { readonly key: string; readonly skipIfAbsent: boolean },
  read: (subject: RateLimitSubject) => string | undefined,
): RateLimitAction {
  const key = wireText(config.key);
  const absent = config.skipIfAbsent ? NO_ENTRY : NO_DESCRIPTOR;
  return (subject) => {
    const value = read(subject);
    return value === undefined ? absent : { key, value };
  };
}

/** Unlike in route matches, names and values are percent-decoded first. */
function queryMatch(config: ConfigOf<'query_match'>, place: string): RateLimitAction {
  const tests = config.query.map((query, i) => queryTest(query, `${place}[${i}]`));
  return constantEntry(
    config.key,
    config.value,
    ({ headers }) => tests.every((test) => test(headers.path)) === config.expectMatch,
  );
}

function queryTest(config: QueryMatchConfig, place: string): (path: string) => boolean {
  const name = wireText(config.name);
  const test = config.test;
  if (test.kind === 'present')
    return (path) => (decodedQueryParameter(path, name) !== null) === test.present;
  const matcher = new StringMatcher(test.match, place);
  return (path) => {
    const value = decodedQueryParameter(path, name);
    return value !== null && matcher.matches(value);
  };
}

function remoteAddressMatch(config: ConfigOf<'remote_address_match'>): RateLimitAction {
  const ranges = config.ranges.map((range) => new Cidr(range.address, range.prefixLength));
  return constantEntry(config.key, config.value, ({ info }) => {
    const ip = parseIp(info.remoteIp);
    return ip !== null && ranges.some((range) => range.contains(ip)) !== config.invert;
  });
}

function metadata(config: ConfigOf<'metadata'>): RateLimitAction {
  const dynamic = config.source === 'DYNAMIC';
  const namespace = wireText(config.namespace);
  const path = config.path.map(wireText);
  const whole = [namespace, ...path];
  const key = wireText(config.key);
  const fallback = wireText(config.defaultValue);
  const absent = config.skipIfAbsent ? NO_ENTRY : NO_DESCRIPTOR;
  return (subject) => {
    const value = dynamic
      ? subject.info.dynamicMetadata?.value(namespace, path)
      : configValue(subject.routeMetadata, whole);
    // Anything but a string counts as missing.
    const text = typeof value === 'string' && value !== '' ? value : fallback;
    return text === '' ? absent : { key, value: text };
  };
}
