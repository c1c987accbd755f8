// [m] /config_dump (envoy-behaviour §12.4): bootstrap, clusters, endpoints, listeners, routes as protobuf JSON.
//
// What is configured but does nothing here stands in the header `x-outrigger-inert` (a count) and in /outrigger/inert:
// the body stays what istioctl parses.
import { findMessage } from '../../../xds-protos/descriptor-table.ts';
import { typeNameOf, typeNameOfUrl, typeUrlPrefix } from '../../../xds-protos/any.ts';
import { toJson } from '../../../xds-protos/proto-json.ts';
import type { Any, JsonObject, JsonValue } from '../../../xds-protos/well-known-types.ts';
import type { AdminContext } from '../admin-context.ts';
import { jsonResponse, textResponse } from './admin-endpoint.ts';
import type { AdminResponse } from './admin-endpoint.ts';
import type { AdminQuery } from './admin-query.ts';
import { compileAdminRegex } from './admin-regex.ts';
import { configDumpSections } from './config-dump-sections.ts';
import type { NameFilter } from './config-dump-sections.ts';
import { applyFieldMask, parseFieldMask } from './field-mask.ts';
import { redactSecrets } from './redaction.ts';

export const INERT_HEADER = 'x-outrigger-inert';

export function handleConfigDump(context: AdminContext, query: AdminQuery): AdminResponse {
  const pattern = query.get('name_regex');
  const regex = pattern === undefined ? undefined : compileAdminRegex(pattern);
  if (regex?.ok === false) {
    const { error } = regex;
    return textResponse(
      `INVALID_ARGUMENT: Error while parsing name_regex from ${pattern}: ${error}`,
      400,
    );
  }
  const filter: NameFilter =
    regex === undefined ? () => true : (name) => regex.regex.testExact(name);
  const sections = configDumpSections(context, filter, query.has('include_eds'));
  const resource = query.get('resource');
  const configs =
    resource === undefined
      ? whole(sections, query.get('mask'))
      : elements(sections, resource, query.get('mask'));
  if (!Array.isArray(configs)) return configs;
  const dump = configs.length === 0 ? {} : { configs };
  redactSecrets(dump);
  return jsonResponse(dump, {
    [INERT_HEADER]: `${context.inertNotes.length}; see /outrigger/inert`,
  });
}

/** The messages, expanded. */
function expanded(sections: readonly Any[]): JsonObject[] {
  return (toJson('envoy.admin.v3.ConfigDump', { configs: [...sections] }) as JsonObject)[
    'configs'
  ] as JsonObject[];
}

/** All sections; with a mask those it applies to. */
function whole(sections: readonly Any[], mask: string | undefined): JsonObject[] | AdminResponse {
  const configs = expanded(sections);
  if (mask === undefined) return configs;
  const paths = parseFieldMask(mask);
  const masked = configs
    .map((config, i) => applyFieldMask(config, typeNameOf(sections[i]!), paths))
    .filter((config): config is JsonObject => config !== undefined);
  if (masked.length > 0) return masked;
  return textResponse(`FieldMask ${mask} could not be successfully applied to any configs.`, 400);
}

/** The elements of one repeated field, each with its type. */
function elements(
  sections: readonly Any[],
  field: string,
  mask: string | undefined,
): JsonObject[] | AdminResponse {
  const paths = mask === undefined ? undefined : parseFieldMask(mask);
  for (const section of sections) {
    const descriptor = findMessage(typeNameOf(section))?.fields.find(({ name }) => name === field);
    if (descriptor === undefined) continue;
    if (descriptor.cardinality !== 'repeated') {
      return textResponse(
        `${field} is not a repeated field. Use ?mask=${field} to get only this field`,
        400,
      );
    }
    const [config] = expanded([section]);
    const items = (config?.[field] ?? []) as JsonValue[];
    const typed = items.map((item) => withType(descriptor.typeName, item as JsonObject));
    if (paths === undefined) return typed;
    const masked = typed
      .map((item) => applyFieldMask(item, descriptor.typeName, paths))
      .filter((item): item is JsonObject => item !== undefined);
    if (masked.length === typed.length) return masked;
    return textResponse(`FieldMask ${mask} could not be successfully used.`, 400);
  }
  return textResponse(`${field} not found in config dump`, 404);
}

function withType(typeName: string, item: JsonObject): JsonObject {
  const typed = Object.create(null) as JsonObject;
  typed['@type'] = `${typeUrlPrefix}${typeNameOfUrl(typeName)}`;
  return Object.assign(typed, item);
}
