// [m] Decodes rules about what a server that is asked may change.
import type { HeaderMutationRules } from '../../xds-protos/gen/envoy.config.common.mutation_rules.v3.ts';
import type { HeaderMutationRulesConfig } from '../config/header-mutation-rules-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeRegex } from './regex-check.ts';

export function decodeHeaderMutationRules(
  reader: FieldReader<HeaderMutationRules>,
): HeaderMutationRulesConfig {
  const pattern = (field: 'allow_expression' | 'disallow_expression'): string => {
    const expression = reader.child(field);
    return expression === undefined ? '' : decodeRegex(expression);
  };
  return {
    allowRouting: reader.bool('allow_all_routing'),
    allowEnvoy: reader.bool('allow_envoy'),
    disallowSystem: reader.bool('disallow_system'),
    disallowAll: reader.bool('disallow_all'),
    allowPattern: pattern('allow_expression'),
    disallowPattern: pattern('disallow_expression'),
    disallowIsError: reader.bool('disallow_is_error'),
  };
}
