// [m] A short name for the content of decoded configuration: equal content, equal hash, whatever order a map came in.
// Not the hash of the bytes: protobuf maps have no order, and a cluster must not lose its pools over that.
import { textHash } from '../base/text-hash.ts';

function plain(_key: string, value: unknown): unknown {
  if (value instanceof Map) {
    return {
      map: [...(value as ReadonlyMap<string, unknown>)].sort((a, b) => (a[0] < b[0] ? -1 : 1)),
    };
  }
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('base64') };
  return value;
}

/**
 * 16 characters; fields that are undefined count as absent. `content` is plain data without cycles. Not cryptographic: who may write
 * configuration gains nothing by two with the same hash, and node:crypto is 1.3 MB.
 */
export const contentHash = (content: unknown): string => textHash(JSON.stringify(content, plain));
