// The recordings of a real istiod (test/fixtures/istiod) as rows for tests.
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

const folder = path.join(import.meta.dirname, '../fixtures/istiod');

export type ResponseType =
  | 'envoy.service.discovery.v3.DiscoveryResponse'
  | 'envoy.service.discovery.v3.DeltaDiscoveryResponse';

export interface Recording {
  /** `01-bookinfo/productpage/01-cds.pb` */
  readonly name: string;
  readonly type: ResponseType;
}

export function listRecordings(): Recording[] {
  return globSync('*/*/*.pb', { cwd: folder })
    .sort()
    .map((name) => ({
      name,
      type: name.includes('-sotw/')
        ? 'envoy.service.discovery.v3.DiscoveryResponse'
        : 'envoy.service.discovery.v3.DeltaDiscoveryResponse',
    }));
}

export function recordingBytes(name: string): Uint8Array {
  return new Uint8Array(readFileSync(path.join(folder, name)));
}

/** The JSON that was recorded beside it; undefined where it was left out for its size (11-scale). */
export function recordingJson(name: string): unknown {
  if (name.startsWith('11-scale/')) return undefined;
  return JSON.parse(
    readFileSync(path.join(folder, name.replace(/pb$/, 'json')), 'utf8'),
  ) as unknown;
}
