// [w] What headers say of a body that is compressed or decompressed on its way, and what becomes of them.
import { headerName } from '../../http/headers.ts';
import type { HeaderMap, ResponseHeaders } from '../../http/header-map.ts';
import { trimmed } from './encoding-choice.ts';

const CACHE_CONTROL = headerName('cache-control');
const ETAG = headerName('etag');
const VARY = headerName('vary');

/** `cache-control: no-transform`. */
export function forbidsTransform(headers: HeaderMap): boolean {
  const value = headers.get(CACHE_CONTROL);
  if (value === undefined) return false;
  return value.split(',').some((token) => trimmed(token).toLowerCase() === 'no-transform');
}

/** A strong tag is no longer true of the compressed body. */
export function changeEtag(headers: ResponseHeaders, weaken: boolean): void {
  const etag = headers.get(ETAG);
  if (etag === undefined || (etag.length > 2 && (etag.startsWith('W/') || etag.startsWith('w/'))))
    return;
  if (weaken) headers.set(ETAG, `W/${etag}`);
  else headers.remove(ETAG);
}

/** Caches must know even of what was left as it is. Envoy looks for the very spelling. */
export function insertVary(headers: ResponseHeaders): void {
  const vary = headers.get(VARY);
  if (vary === undefined) headers.push(VARY, 'Accept-Encoding');
  else if (!vary.split(',').some((token) => trimmed(token) === 'Accept-Encoding'))
    headers.set(VARY, `${vary}, Accept-Encoding`);
}
