// [w] What an authorization service answers: a CheckResponse on the wire (envoy.service.auth.v3). What cannot be read
// decides nothing.
import { BYTES, FieldScanner, VARINT, protobufText } from '../../base/protobuf-scanner.ts';
import { wireHeaderName } from '../../http/headers.ts';
import type { HeaderName } from '../../http/headers.ts';
import type { MetadataStruct } from '../../stream-info/dynamic-metadata.ts';
import { isAnsweredHeader } from './answered-header.ts';
import type { AuthorizationVerdict, HeaderLine, MoreChanges } from './authorization-client.ts';
import { protobufStruct } from './protobuf-value.ts';

const FORBIDDEN = 403;
/** An answer may be a megabyte; nobody needs that many. */
const MAX_ITEMS = 1000;
const EMPTY: Buffer = Buffer.alloc(0);
const NO_METADATA: MetadataStruct = new Map();

/** Thrown and caught here only: something in the answer is malformed. */
class Malformed extends Error {}

type Visit = (scanner: FieldScanner) => void;

function visit(bytes: Buffer, each: Visit): void {
  const scanner = new FieldScanner(bytes);
  while (scanner.next()) each(scanner);
  if (scanner.failed) throw new Malformed();
}

function textOf(content: Buffer): string {
  const text = protobufText(content);
  if (text === undefined) throw new Malformed();
  return text;
}

function add<T>(list: T[], item: T): void {
  if (list.length === MAX_ITEMS) throw new Malformed();
  list.push(item);
}

/** Null: the bytes are no answer. */
export function checkVerdict(bytes: Buffer): AuthorizationVerdict | null {
  try {
    return readVerdict(bytes);
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

function readVerdict(bytes: Buffer): AuthorizationVerdict {
  let code = 0;
  let denied: Buffer = EMPTY;
  let ok: Buffer = EMPTY;
  let metadata = NO_METADATA;
  visit(bytes, ({ number, wireType, content }) => {
    if (wireType !== BYTES) return;
    if (number === 1) code = numberField(content, 1);
    if (number === 2) denied = content;
    if (number === 3) ok = content;
    if (number === 4) metadata = structOf(content);
  });
  return code === 0 ? readOk(ok, metadata) : readDenied(denied, metadata);
}

function structOf(content: Buffer): MetadataStruct {
  const struct = protobufStruct(content);
  if (struct === undefined) throw new Malformed();
  return struct;
}

function numberField(bytes: Buffer, field: number): number {
  let value = 0;
  visit(bytes, ({ number, wireType, varint }) => {
    if (number === field && wireType === VARINT) value = varint;
  });
  return value;
}

const APPEND = 0;
const ADD_IF_ABSENT = 1;
const OVERWRITE_OR_ADD = 2;

interface HeaderOption {
  readonly line: HeaderLine;
  /** The old `append`; undefined: not said. */
  readonly append: boolean | undefined;
  readonly action: number;
}

/** HeaderValueOption; null where it is left out. */
function headerOption(bytes: Buffer): HeaderOption | null {
  let name = '';
  let value = '';
  let append: boolean | undefined;
  let action = APPEND;
  visit(bytes, ({ number, wireType, varint, content }) => {
    if (number === 1 && wireType === BYTES)
      visit(content, (header) => {
        if (header.wireType !== BYTES) return;
        if (header.number === 1) name = textOf(header.content).toLowerCase();
        if (header.number === 2) value = textOf(header.content);
      });
    if (number === 2 && wireType === BYTES) append = numberField(content, 1) !== 0;
    if (number === 3 && wireType === VARINT) action = varint;
  });
  // Rewrites of path, method or status are not built: passing such a request unchanged would be wrong.
  if (name.startsWith(':')) throw new Malformed();
  if (!isAnsweredHeader(name, value)) return null;
  return { line: [wireHeaderName(name), value], append, action };
}

function readDenied(bytes: Buffer, metadata: MetadataStruct): AuthorizationVerdict {
  let status = 0;
  let body: Buffer = EMPTY;
  const headers: HeaderLine[] = [];
  visit(bytes, ({ number, wireType, content }) => {
    if (wireType !== BYTES) return;
    if (number === 1) status = numberField(content, 1);
    if (number === 3) body = content;
    if (number !== 2) return;
    const option = headerOption(content);
    // As in Envoy, there is nothing yet that these could join.
    if (option !== null && option.append !== true) add(headers, option.line);
  });
  const valid = status >= 200 && status <= 599;
  return { kind: 'denied', status: valid ? status : FORBIDDEN, headers, body, metadata };
}

function readOk(bytes: Buffer, metadata: MetadataStruct): AuthorizationVerdict {
  const set: HeaderLine[] = [];
  const remove: HeaderName[] = [];
  const response: HeaderLine[] = [];
  const more = {
    join: [] as HeaderLine[],
    querySet: [] as (readonly [string, string])[],
    queryRemove: [] as string[],
    responseSet: [] as HeaderLine[],
    responseIfAbsent: [] as HeaderLine[],
    responseIfPresent: [] as HeaderLine[],
  } satisfies MoreChanges;
  visit(bytes, ({ number, wireType, content }) => {
    if (wireType !== BYTES) return;
    if (number === 2) {
      const option = headerOption(content);
      if (option !== null) add(option.append === true ? more.join : set, option.line);
    }
    if (number === 5) add(remove, wireHeaderName(textOf(content).toLowerCase()));
    if (number === 6) addResponse(headerOption(content), response, more);
    if (number === 7) add(more.querySet, parameter(content));
    if (number === 8) add(more.queryRemove, textOf(content));
  });
  return { kind: 'ok', set, append: [], remove, response, metadata, more };
}

function addResponse(
  option: HeaderOption | null,
  append: HeaderLine[],
  more: Record<'responseSet' | 'responseIfAbsent' | 'responseIfPresent', HeaderLine[]>,
): void {
  if (option === null) return;
  const { line, action } = option;
  if (option.append !== undefined) add(option.append ? append : more.responseSet, line);
  else if (action === APPEND) add(append, line);
  else if (action === ADD_IF_ABSENT) add(more.responseIfAbsent, line);
  else if (action === OVERWRITE_OR_ADD) add(more.responseSet, line);
  else add(more.responseIfPresent, line);
}

function parameter(bytes: Buffer): readonly [name: string, value: string] {
  let name = '';
  let value = '';
  visit(bytes, ({ number, wireType, content }) => {
    if (wireType !== BYTES) return;
    if (number === 1) name = textOf(content);
    if (number === 2) value = textOf(content);
  });
  return [name, value];
}
