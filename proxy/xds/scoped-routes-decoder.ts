// [m] Decodes scoped routes: how a request's key is made, and the scopes that are listed or discovered (SRDS).
import type { ScopedRouteConfiguration } from '../../xds-protos/gen/envoy.config.route.v3.ts';
import type {
  ScopedRoutes,
  ScopedRoutes_ScopeKeyBuilder_FragmentBuilder,
} from '../../xds-protos/gen/envoy.extensions.filters.network.http_connection_manager.v3.ts';
import type {
  ScopeConfig,
  ScopeFragmentConfig,
  ScopedRoutesConfig,
} from '../config/scoped-routes-config.ts';
import { keyConflict, scopeKey } from '../config/scoped-routes-config.ts';
import { ConfigProblems } from './config-problems.ts';
import type { FieldObserver } from './config-problems.ts';
import { decodeConfigSource } from './config-source.ts';
import { FieldReader } from './field-reader.ts';
import { decodeRouteTable } from './route-decoder.ts';

const ANY: ScopeFragmentConfig = {
  header: '',
  separator: '',
  element: { kind: 'index', index: 0 },
};

export function decodeScopedRoutes(reader: FieldReader<ScopedRoutes>): ScopedRoutesConfig {
  const fragments = reader.required('scope_key_builder')?.children('fragments') ?? [];
  if (fragments.length === 0)
    reader.problem('scope_key_builder.fragments', 'at least one is required');
  const list = reader.child('scoped_route_configurations_list');
  const discovered = reader.child('scoped_rds');
  if (list === undefined && discovered === undefined)
    reader.problem('', 'one of scoped_route_configurations_list, scoped_rds is required');
  const locator = (discovered?.message as { srds_resources_locator?: string } | undefined)
    ?.srds_resources_locator;
  if (locator !== undefined && locator !== '')
    reader.problem('scoped_rds.srds_resources_locator', 'is not supported by this version');
  const scopes = list?.children('scoped_route_configurations').map(readListed) ?? [];
  const problem = firstConflict(scopes);
  if (problem !== undefined) reader.problem('scoped_route_configurations_list', problem);
  return {
    kind: 'scoped',
    name: reader.requiredString('name'),
    fragments: fragments.map(decodeFragment),
    tables: decodeConfigSource(reader.required('rds_config_source')),
    discovery: discovered && decodeConfigSource(discovered.required('scoped_rds_config_source')),
    scopes,
  };
}

function decodeFragment(
  reader: FieldReader<ScopedRoutes_ScopeKeyBuilder_FragmentBuilder>,
): ScopeFragmentConfig {
  const extractor = reader.required('header_value_extractor');
  if (extractor === undefined) return ANY;
  const header = extractor.requiredString('name').toLowerCase();
  const separator = extractor.string('element_separator');
  const element = extractor.child('element');
  if (element !== undefined) {
    const key = element.requiredString('key');
    const inner = element.requiredString('separator');
    return { header, separator, element: { kind: 'key', key, separator: inner } };
  }
  if (!extractor.has('index')) extractor.problem('', 'one of index, element is required');
  const index = extractor.number('index', 0);
  if (index > 0 && separator === '')
    extractor.problem('index', 'Index > 0 for empty string element separator.');
  return { header, separator, element: { kind: 'index', index } };
}

/** A scope of a list brings its table. */
function readListed(reader: FieldReader<ScopedRouteConfiguration>): ScopeConfig {
  if (reader.string('route_configuration_name') !== '')
    reader.problem(
      'route_configuration_name',
      'Fetching routes via RDS (route_configuration_name) is not supported with inline scoped routes.',
    );
  const table = reader.required('route_configuration');
  return {
    ...readKey(reader),
    table: '',
    inline: table && decodeRouteTable(table, { version: '', dynamic: false }),
  };
}

function readKey(reader: FieldReader<ScopedRouteConfiguration>): Pick<ScopeConfig, 'name' | 'key'> {
  const fragments = reader.required('key')?.children('fragments') ?? [];
  if (fragments.length === 0) reader.problem('key.fragments', 'at least one is required');
  return {
    name: reader.requiredString('name'),
    key: fragments.map((fragment) => fragment.string('string_key')),
  };
}

/** Of SRDS. Throws ConfigError. */
export function decodeScope(message: ScopedRouteConfiguration, watch?: FieldObserver): ScopeConfig {
  const problems = new ConfigProblems(watch);
  const reader = new FieldReader(message, '', problems);
  reader.refuse('route_configuration');
  const table = reader.requiredString('route_configuration_name');
  const scope = { ...readKey(reader), table };
  problems.throwIfAny();
  return scope;
}

/** Of two that one request could mean. */
function firstConflict(scopes: readonly ScopeConfig[]): string | undefined {
  const names = new Set<string>();
  const byKey = new Map<string, string>();
  for (const { name, key } of scopes) {
    if (names.has(name)) return `duplicate scoped route configuration '${name}' found`;
    names.add(name);
    const other = byKey.get(scopeKey(key));
    if (other !== undefined) return keyConflict(other, name);
    byKey.set(scopeKey(key), name);
  }
  return undefined;
}
