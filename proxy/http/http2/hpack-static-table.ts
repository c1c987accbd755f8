// [w] HPACK's static table (RFC 7541, Appendix A) in our own header names, and the names of the pseudo headers.
import { headerName } from '../headers.ts';
import type { HeaderName } from '../headers.ts';

/** Never lines of a HeaderMap: codecs put them into fields of their own. */
export const Pseudo = {
  authority: headerName(':authority'),
  method: headerName(':method'),
  path: headerName(':path'),
  scheme: headerName(':scheme'),
  status: headerName(':status'),
  protocol: headerName(':protocol'),
} as const;

const ENTRIES: readonly (readonly [name: string, value?: string])[] = [
  [':authority'],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset'],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language'],
  ['accept-ranges'],
  ['accept'],
  ['access-control-allow-origin'],
  ['age'],
  ['allow'],
  ['authorization'],
  ['cache-control'],
  ['content-disposition'],
  ['content-encoding'],
  ['content-language'],
  ['content-length'],
  ['content-location'],
  ['content-range'],
  ['content-type'],
  ['cookie'],
  ['date'],
  ['etag'],
  ['expect'],
  ['expires'],
  ['from'],
  ['host'],
  ['if-match'],
  ['if-modified-since'],
  ['if-none-match'],
  ['if-range'],
  ['if-unmodified-since'],
  ['last-modified'],
  ['link'],
  ['location'],
  ['max-forwards'],
  ['proxy-authenticate'],
  ['proxy-authorization'],
  ['range'],
  ['referer'],
  ['refresh'],
  ['retry-after'],
  ['server'],
  ['set-cookie'],
  ['strict-transport-security'],
  ['transfer-encoding'],
  ['user-agent'],
  ['vary'],
  ['via'],
  ['www-authenticate'],
];

/** 61; indices of the wire begin with 1. */
export const STATIC_COUNT = ENTRIES.length;
export const STATIC_NAMES: readonly HeaderName[] = ENTRIES.map(([name]) => headerName(name));
export const STATIC_VALUES: readonly string[] = ENTRIES.map(([, value]) => value ?? '');

const firstIndex = new Map<string, number>();
for (let i = ENTRIES.length - 1; i >= 0; i--) firstIndex.set(ENTRIES[i]![0], i + 1);

/** Lowest index that carries the name; 0: none. */
export const staticNameIndex = (name: string): number => firstIndex.get(name) ?? 0;
