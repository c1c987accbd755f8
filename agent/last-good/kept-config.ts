// [m] What is kept of a configuration, by type and name, and the changes it is made of; each change is one frame of the file.
import { encode, decode } from '../../xds-protos/codec.ts';
import type { Resource } from '../../xds-protos/gen/envoy.service.discovery.v3.ts';
import { zlib } from '../../proxy/base/node-builtins.ts';

export interface KeptType {
  /** Of the last response, as the control plane named it. */
  version: string;
  readonly resources: Map<string, Resource>;
}

/** Keyed by type URL. */
export type KeptConfig = Map<string, KeptType>;

export interface Change {
  readonly typeUrl: string;
  readonly version: string;
  /** What was there before is gone. */
  readonly full: boolean;
  readonly resources: readonly Resource[];
  readonly removed: readonly string[];
}

const CHANGE = 'envoy.service.discovery.v3.DeltaDiscoveryResponse';
const FULL_MARK = 'full';
/** A change of no type. */
const WHOLE: Change = { typeUrl: '', version: '', full: false, resources: [], removed: [] };
/** Length and checksum of what follows. */
const FRAME_HEAD_BYTES = 8;
/** Of one change, unpacked; a mesh of 5000 clusters has some 10 MB. */
const MAX_CHANGE_BYTES = 67_108_864;

export function applyChange(kept: KeptConfig, change: Change): void {
  let type = kept.get(change.typeUrl);
  if (type === undefined) {
    type = { version: '', resources: new Map() };
    kept.set(change.typeUrl, type);
  }
  if (change.full) type.resources.clear();
  if (change.version !== '') type.version = change.version;
  for (const name of change.removed) type.resources.delete(name);
  for (const resource of change.resources) type.resources.set(resource.name ?? '', resource);
}

/** The least changes that lead to `kept`. */
export const changesOf = (kept: KeptConfig): Change[] =>
  [...kept].map(([typeUrl, { version, resources }]) => ({
    typeUrl,
    version,
    full: true,
    resources: [...resources.values()],
    removed: [],
  }));

/** Undefined where it is too large to be kept. */
export function encodeFrame(change: Change): Buffer | undefined {
  const message = encode(CHANGE, {
    type_url: change.typeUrl,
    system_version_info: change.version,
    resources: [...change.resources],
    removed_resources: [...change.removed],
    nonce: change.full ? FULL_MARK : '',
  });
  if (message.byteLength > MAX_CHANGE_BYTES) return undefined;
  const packed = zlib().zstdCompressSync(message);
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + packed.byteLength);
  frame.writeUInt32LE(packed.byteLength, 0);
  frame.writeUInt32LE(zlib().crc32(packed), 4);
  frame.set(packed, FRAME_HEAD_BYTES);
  return frame;
}

/** Says that what is before it is all that a proxy needs. */
export const wholeMark = (): Buffer => encodeFrame(WHOLE)!;

export interface DecodedFrames {
  readonly kept: KeptConfig;
  /** The mark was there: less would be a configuration without its routes. */
  readonly whole: boolean;
  /** Where the last whole frame ends; a writer that was killed leaves half of one behind it. */
  readonly end: number;
}

export function decodeFrames(bytes: Buffer, start: number): DecodedFrames {
  const kept: KeptConfig = new Map();
  let whole = false;
  let end = start;
  while (end + FRAME_HEAD_BYTES <= bytes.length) {
    const next = end + FRAME_HEAD_BYTES + bytes.readUInt32LE(end);
    if (next > bytes.length) break;
    const packed = bytes.subarray(end + FRAME_HEAD_BYTES, next);
    if (zlib().crc32(packed) !== bytes.readUInt32LE(end + 4)) break;
    const change = unpack(packed);
    if (change === undefined) break;
    if (change.typeUrl === '') whole = true;
    else applyChange(kept, change);
    end = next;
  }
  return { kept, whole, end };
}

function unpack(packed: Buffer): Change | undefined {
  try {
    const bytes = zlib().zstdDecompressSync(packed, { maxOutputLength: MAX_CHANGE_BYTES });
    const message = decode(CHANGE, bytes);
    return {
      typeUrl: message.type_url ?? '',
      version: message.system_version_info ?? '',
      full: message.nonce === FULL_MARK,
      resources: message.resources ?? [],
      removed: message.removed_resources ?? [],
    };
  } catch {
    return undefined;
  }
}
