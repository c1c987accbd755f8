// [m] Decodes the header_mutation filter, of a chain and of routes.
import type {
  HeaderMutation,
  HeaderMutationPerRoute,
  Mutations,
} from '../../xds-protos/gen/envoy.extensions.filters.http.header_mutation.v3.ts';
import type { HeaderMutation as Operation } from '../../xds-protos/gen/envoy.config.common.mutation_rules.v3.ts';
import type { KeyValueMutation } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type {
  HeaderMutationFilterConfig,
  HeaderMutationPerRouteConfig,
  HeaderOperationConfig,
  MutationsConfig,
  QueryOperationConfig,
} from '../config/header-mutation-filter-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeHeaderAdd } from './header-mutation-decoder.ts';
import { decodeStringMatch } from './matcher-decoder.ts';

const MAX_NAME_BYTES = 16_384;
const NONE: MutationsConfig = {
  request: [],
  requestTrailers: [],
  response: [],
  responseTrailers: [],
  query: [],
};

export function decodeHeaderMutationFilter(
  reader: FieldReader<HeaderMutation>,
): HeaderMutationFilterConfig {
  return {
    kind: 'header_mutation',
    mutations: decodeMutations(reader.child('mutations')),
    mostSpecificWins: reader.bool('most_specific_header_mutations_wins'),
  };
}

export const decodeHeaderMutationPerRoute = (
  reader: FieldReader<HeaderMutationPerRoute>,
): HeaderMutationPerRouteConfig => ({
  kind: 'header_mutation_per_route',
  mutations: decodeMutations(reader.child('mutations')),
});

function decodeMutations(reader: FieldReader<Mutations> | undefined): MutationsConfig {
  if (reader === undefined) return NONE;
  reader.refuse('formatters');
  return {
    request: reader.children('request_mutations').map(decodeHeaderOperation),
    requestTrailers: reader.children('request_trailers_mutations').map(decodeHeaderOperation),
    response: reader.children('response_mutations').map(decodeHeaderOperation),
    responseTrailers: reader.children('response_trailers_mutations').map(decodeHeaderOperation),
    query: reader.children('query_parameter_mutations').map(decodeQuery),
  };
}

export function decodeHeaderOperation(reader: FieldReader<Operation>): HeaderOperationConfig {
  const append = reader.child('append');
  if (append !== undefined) return { kind: 'append', add: decodeHeaderAdd(append) };
  const onMatch = reader.child('remove_on_match');
  if (onMatch !== undefined) {
    const matcher = onMatch.required('key_matcher');
    return {
      kind: 'remove_on_match',
      match:
        matcher === undefined
          ? { kind: 'exact', value: '', ignoreCase: false }
          : decodeStringMatch(matcher),
    };
  }
  if (!reader.has('remove'))
    reader.problem('', 'one of remove, append, remove_on_match is required');
  return { kind: 'remove', name: reader.string('remove').toLowerCase() };
}

function decodeQuery(reader: FieldReader<KeyValueMutation>): QueryOperationConfig {
  const append = reader.child('append');
  if (append === undefined) {
    const name = reader.string('remove');
    if (name === '') reader.problem('', 'one of append, remove is required');
    return { kind: 'remove', name };
  }
  const record = append.child('record');
  if (record === undefined) append.problem('record', 'is required');
  const value = record?.message.value;
  if (record !== undefined && typeof value !== 'string')
    record.problem('value', 'only string values are supported');
  const name = record?.requiredString('key') ?? '';
  if (name.length > MAX_NAME_BYTES)
    record?.problem('key', `must be at most ${MAX_NAME_BYTES} bytes long`);
  return {
    kind: 'append',
    name,
    value: typeof value === 'string' ? value : '',
    action: append.enumName('action', 'APPEND_IF_EXISTS_OR_ADD'),
  };
}
