// [m] Decodes the header_to_metadata filter; the refusals and their words are Envoy's.
import type {
  Config,
  Config_KeyValuePair,
  Config_Rule,
} from '../../xds-protos/gen/envoy.extensions.filters.http.header_to_metadata.v3.ts';
import type {
  HeaderToMetadataConfig,
  HeaderToMetadataEntryConfig,
  HeaderToMetadataRuleConfig,
} from '../config/metadata-filter-config.ts';
import type { FieldReader } from './field-reader.ts';
import { breaksHeader, decodeRegexRewrite } from './matcher-decoder.ts';

const DEFAULT_NAMESPACE = 'envoy.filters.http.header_to_metadata';

export function decodeHeaderToMetadata(
  reader: FieldReader<Config>,
  perRoute: boolean,
): HeaderToMetadataConfig {
  const requestRules = reader.children('request_rules').map(decodeRule);
  const responseRules = reader.children('response_rules').map(decodeRule);
  if (perRoute && requestRules.length === 0 && responseRules.length === 0) {
    reader.problem(
      '',
      'header_to_metadata_filter: Per filter configs must at least specify either request or response rules',
    );
  }
  const statPrefix = reader.string('stat_prefix');
  return { kind: 'header_to_metadata', statPrefix, requestRules, responseRules };
}

function decodeRule(reader: FieldReader<Config_Rule>): HeaderToMetadataRuleConfig {
  const header = reader.string('header');
  const cookie = reader.string('cookie');
  const remove = reader.bool('remove');
  checkSource(reader);
  const present = reader.child('on_header_present');
  const missing = reader.child('on_header_missing');
  if (present === undefined && missing === undefined) {
    const source = cookie === '' ? `header '${header}'` : `cookie '${cookie}'`;
    reader.problem(
      '',
      `header to metadata filter: rule for ${source} has neither \`on_header_present\` nor \`on_header_missing\` set`,
    );
  }
  if (missing !== undefined && missing.string('value') === '') {
    const message = 'Cannot specify on_header_missing rule with an empty value';
    reader.problem('on_header_missing.value', message);
  }
  if (present !== undefined && present.has('regex_value_rewrite') && present.string('value') !== '')
    reader.problem('on_header_present', 'Cannot specify both value and regex_value_rewrite');
  return {
    source: cookie === '' ? 'header' : 'cookie',
    name: cookie === '' ? header.toLowerCase() : cookie,
    onPresent: present && decodeEntry(present),
    // What stands in for a missing header is not rewritten.
    onMissing: missing && { ...decodeEntry(missing), rewrite: undefined },
    remove,
  };
}

function checkSource(reader: FieldReader<Config_Rule>): void {
  const header = reader.string('header');
  const cookie = reader.string('cookie');
  if (header !== '' && cookie !== '')
    reader.problem('', 'Cannot specify both header and cookie in the same rule');
  else if (header === '' && cookie === '')
    reader.problem('', 'One of Cookie or Header option needs to be specified');
  if (cookie !== '' && reader.bool('remove'))
    reader.problem('remove', 'Cannot specify remove for cookie');
  if (breaksHeader(header)) reader.problem('header', 'holds characters no header name can have');
}

function decodeEntry(reader: FieldReader<Config_KeyValuePair>): HeaderToMetadataEntryConfig {
  const rewrite = reader.child('regex_value_rewrite');
  return {
    namespace: reader.nonEmpty('metadata_namespace') ?? DEFAULT_NAMESPACE,
    key: reader.requiredString('key'),
    value: reader.string('value'),
    rewrite: rewrite && decodeRegexRewrite(rewrite),
    type: reader.enumName('type', 'STRING'),
    base64: reader.enumName('encode', 'NONE') === 'BASE64',
  };
}
