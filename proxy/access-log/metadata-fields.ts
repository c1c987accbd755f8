// [w] Commands that print metadata and filter state: values of filters (dynamic) and of configuration.
import { formatError } from './format-command.ts';
import { byteText } from '../base/byte-text.ts';
import { jsonString } from './log-text.ts';
import { configValue, jsonOf, textOf } from './metadata-value.ts';
import type { CommandTable, CompiledField } from './field.ts';
import type { FormatCommand } from './format-command.ts';
import type { AccessLogEntry } from '../http/conn-manager-context.ts';
import type { MetadataValue } from '../stream-info/dynamic-metadata.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { ConfigMetadata } from '../stream-info/upstream-facts.ts';

type Read = (info: StreamInfo) => MetadataValue | undefined;

/** A string is cut at the length in text and JSON, all else in text only. */
function metadataField(read: Read, maxLength: number | undefined): CompiledField {
  return {
    kind: 'getter',
    get: ({ info }) => {
      const value = read(info);
      if (value === undefined || value === null) return null;
      return textOf(value).slice(0, maxLength);
    },
    json: ({ info }) => {
      const value = read(info);
      if (value === undefined || value === null) return null;
      return typeof value === 'string' ? jsonString(value.slice(0, maxLength)) : jsonOf(value);
    },
  };
}

const ofConfig =
  (metadata: (info: StreamInfo) => ConfigMetadata | undefined, path: readonly string[]): Read =>
  (info) => {
    const found = metadata(info);
    return found === undefined ? undefined : configValue(found, path);
  };

const SOURCES = new Map<string, (info: StreamInfo) => ConfigMetadata | undefined>([
  ['CLUSTER', ({ cluster }) => cluster?.metadata],
  ['ROUTE', ({ route }) => route?.metadata],
  ['VIRTUAL_HOST', ({ route }) => route?.virtualHostMetadata],
  ['UPSTREAM_HOST', ({ host }) => host?.metadata],
  ['LISTENER', ({ connection }) => connection.listener?.metadata],
  // Of the filter chain's own metadata, which this version does not carry.
  ['LISTENER_FILTER_CHAIN', () => undefined],
]);

function readerOf(source: string, path: readonly string[]): Read {
  const [namespace = '', ...keys] = path;
  if (source === 'DYNAMIC') return ({ dynamicMetadata }) => dynamicMetadata?.value(namespace, keys);
  const metadata = SOURCES.get(source);
  if (metadata === undefined) throw formatError(`${source} is not supported type of metadata`);
  return ofConfig(metadata, path);
}

/** `NAMESPACE:KEY:KEY…` */
const compileFrom =
  (source: string) =>
  ({ args = '', maxLength }: FormatCommand): CompiledField =>
    metadataField(readerOf(source, byteText(args).split(':')), maxLength);

/** `TYPE:NAMESPACE:KEY…` */
function compileTyped({ args = '', maxLength }: FormatCommand): CompiledField {
  const [source = '', ...path] = byteText(args).split(':');
  return metadataField(readerOf(source, path), maxLength);
}

/** `KEY`, `KEY:PLAIN`, `KEY:TYPED`, `KEY:FIELD:NAME`; typed is JSON. */
function compileFilterState({ args = '', maxLength }: FormatCommand): CompiledField {
  const [key = '', form = 'TYPED', name] = byteText(args).split(':');
  if (key === '') throw formatError('Invalid filter state configuration, key cannot be empty.');
  if (form !== 'PLAIN' && form !== 'TYPED' && form !== 'FIELD')
    throw formatError('Invalid filter state serialize type, only support PLAIN/TYPED/FIELD.');
  if ((form === 'FIELD') !== (name !== undefined))
    throw formatError(
      'Invalid filter state serialize type, FIELD should be used with the field name.',
    );
  if (form === 'TYPED') {
    const json = ({ info }: AccessLogEntry): string | null =>
      info.filterState?.get(key)?.json ?? null;
    return { kind: 'getter', get: (entry) => json(entry)?.slice(0, maxLength) ?? null, json };
  }
  return {
    kind: 'getter',
    get: ({ info }) => {
      const object = info.filterState?.get(key);
      const value = name === undefined ? object?.text : object?.fields?.get(name);
      return typeof value === 'string' ? value.slice(0, maxLength) : (value ?? null);
    },
  };
}

/** Upstream connections keep no filter state of their own here. */
function compileUpstreamFilterState(command: FormatCommand): CompiledField {
  compileFilterState(command);
  return { kind: 'constant', value: null };
}

export const METADATA_COMMANDS: CommandTable = [
  ['METADATA', { form: 'optional-length', compile: compileTyped }],
  ['DYNAMIC_METADATA', { form: 'required-length', compile: compileFrom('DYNAMIC') }],
  ['CLUSTER_METADATA', { form: 'required', compile: compileFrom('CLUSTER') }],
  ['UPSTREAM_METADATA', { form: 'required', compile: compileFrom('UPSTREAM_HOST') }],
  ['FILTER_STATE', { form: 'optional-length', compile: compileFilterState }],
  ['UPSTREAM_FILTER_STATE', { form: 'optional-length', compile: compileUpstreamFilterState }],
];
