// [w] What a rate limit service is asked and what it answers, on the wire (envoy.service.ratelimit.v3). All text is byte
// strings, as header values are.
import { BYTES, FieldScanner, VARINT, protobufText } from '../../base/protobuf-scanner.ts';
import { ProtobufWriter } from '../../base/protobuf-writer.ts';
import type { RateLimitDescriptor } from '../../router/rate-limit-policy.ts';
import type { MetadataStruct } from '../../stream-info/dynamic-metadata.ts';
import { isAnsweredHeader } from './answered-header.ts';
import { protobufStruct } from './protobuf-value.ts';

export const RATE_LIMIT_PATH = '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit';
const OVER_LIMIT = 2;
/** An answer may be a megabyte; nobody needs that many. */
const MAX_ITEMS = 1000;

export type HeaderText = readonly [name: string, value: string];

/** One limit that the request counted for. */
export interface LimitStatus {
  readonly requestsPerUnit: number;
  /** 0: unknown. */
  readonly windowSeconds: number;
  readonly name: string;
  readonly remaining: number;
  readonly resetSeconds: number;
}

export interface RateLimitAnswer {
  readonly overLimit: boolean;
  /** Only those that tell their limit. */
  readonly statuses: readonly LimitStatus[];
  readonly responseHeaders: readonly HeaderText[];
  readonly requestHeaders: readonly HeaderText[];
  readonly body: Buffer;
  readonly metadata: MetadataStruct | undefined;
}

/** RateLimitRequest. */
export function rateLimitRequest(
  domain: string,
  descriptors: readonly RateLimitDescriptor[],
): Buffer {
  const writer = new ProtobufWriter();
  writer.text(1, domain);
  for (const descriptor of descriptors)
    writer.message(2, (inner) => writeDescriptor(inner, descriptor));
  return writer.finish();
}

function writeDescriptor(writer: ProtobufWriter, descriptor: RateLimitDescriptor): void {
  const { entries, limit, hitsAddend } = descriptor;
  for (const { key, value } of entries) writer.entry(1, key, value);
  if (limit !== undefined)
    writer.message(2, (inner) => {
      inner.number(1, limit.requestsPerUnit);
      inner.number(2, limit.unit);
    });
  if (hitsAddend !== undefined) writer.message(3, (inner) => inner.number(1, hitsAddend));
}

/** Fields of RateLimitResponse. */
const STATUSES = 2;
const RESPONSE_HEADERS = 3;
const REQUEST_HEADERS = 4;
const RAW_BODY = 5;
const DYNAMIC_METADATA = 6;

/** Null: the bytes are no RateLimitResponse. */
export function rateLimitAnswer(bytes: Buffer): RateLimitAnswer | null {
  const answer = new AnswerParts();
  const scanner = new FieldScanner(bytes);
  while (scanner.next()) if (!answer.take(scanner)) return null;
  return scanner.failed ? null : answer;
}

class AnswerParts implements RateLimitAnswer {
  overLimit = false;
  readonly statuses: LimitStatus[] = [];
  readonly responseHeaders: HeaderText[] = [];
  readonly requestHeaders: HeaderText[] = [];
  body: Buffer = Buffer.alloc(0);
  metadata: MetadataStruct | undefined = undefined;

  /** False: what stands there is none of it. */
  take({ number, wireType, varint, content }: FieldScanner): boolean {
    if (number === 1 && wireType === VARINT) this.overLimit = varint === OVER_LIMIT;
    if (wireType !== BYTES) return true;
    switch (number) {
      case STATUSES:
        return addTo(this.statuses, limitStatus(content));
      case RESPONSE_HEADERS:
        return addTo(this.responseHeaders, headerText(content));
      case REQUEST_HEADERS:
        return addTo(this.requestHeaders, headerText(content));
      case RAW_BODY:
        this.body = content;
        return true;
      case DYNAMIC_METADATA:
        this.metadata = protobufStruct(content);
        return this.metadata !== undefined;
      default:
        return true;
    }
  }
}

/** Undefined: malformed. Null: nothing to keep. */
function addTo<T>(list: T[], item: T | null | undefined): boolean {
  if (item === undefined) return false;
  if (item !== null) list.push(item);
  return list.length <= MAX_ITEMS;
}

/** envoy.config.core.v3.HeaderValue; null where it is left out. */
function headerText(bytes: Buffer): HeaderText | null | undefined {
  const scanner = new FieldScanner(bytes);
  let name: string | undefined = '';
  let value: string | undefined = '';
  while (scanner.next()) {
    if (scanner.wireType !== BYTES) continue;
    if (scanner.number === 1) name = protobufText(scanner.content);
    if (scanner.number === 2) value = protobufText(scanner.content);
    if (name === undefined || value === undefined) return undefined;
  }
  if (scanner.failed) return undefined;
  const lower = name.toLowerCase();
  return lower !== 'host' && isAnsweredHeader(lower, value) ? [lower, value] : null;
}

/** DescriptorStatus; null where it does not tell its limit. */
function limitStatus(bytes: Buffer): LimitStatus | null | undefined {
  const scanner = new FieldScanner(bytes);
  let limit: Pick<LimitStatus, 'requestsPerUnit' | 'windowSeconds' | 'name'> | undefined | null =
    null;
  let remaining = 0;
  let resetSeconds = 0;
  while (scanner.next()) {
    const { number, wireType } = scanner;
    if (number === 2 && wireType === BYTES) limit = currentLimit(scanner.content);
    if (number === 3 && wireType === VARINT) remaining = scanner.varint;
    if (number === 4 && wireType === BYTES) resetSeconds = seconds(scanner.content) ?? NaN;
    if (limit === undefined || Number.isNaN(resetSeconds)) return undefined;
  }
  if (scanner.failed) return undefined;
  return limit === null ? null : { ...limit, remaining, resetSeconds };
}

/** By RateLimitResponse.RateLimit.Unit. */
const WINDOW_SECONDS = [0, 1, 60, 3600, 86_400, 2_592_000, 31_536_000, 604_800];

function currentLimit(
  bytes: Buffer,
): Pick<LimitStatus, 'requestsPerUnit' | 'windowSeconds' | 'name'> | undefined {
  const scanner = new FieldScanner(bytes);
  let requestsPerUnit = 0;
  let windowSeconds = 0;
  let name: string | undefined = '';
  while (scanner.next()) {
    const { number, wireType, varint } = scanner;
    if (number === 1 && wireType === VARINT) requestsPerUnit = varint;
    if (number === 2 && wireType === VARINT) windowSeconds = WINDOW_SECONDS[varint] ?? 0;
    if (number === 3 && wireType === BYTES) name = protobufText(scanner.content);
    if (name === undefined) return undefined;
  }
  return scanner.failed ? undefined : { requestsPerUnit, windowSeconds, name };
}

/** Of a Duration. */
function seconds(bytes: Buffer): number | undefined {
  const scanner = new FieldScanner(bytes);
  let value = 0;
  while (scanner.next())
    if (scanner.number === 1 && scanner.wireType === VARINT) value = scanner.varint;
  return scanner.failed ? undefined : value;
}
