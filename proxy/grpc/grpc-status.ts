// [b] A gRPC status as header lines (gRPC over HTTP/2, "Responses"): written here, read by grpc-answer.ts.
import type { StreamStatus } from '../../xds-protos/ads-stream.ts';
import type { HeaderMap } from '../http/header-map.ts';
import { H } from '../http/headers.ts';

/** It goes into logs, and into a header block that the peer bounds. */
const MAX_REASON_CHARS = 1000;
/** Percent-Encoded of the specification: printable ASCII but `%` as it is, all else as the bytes of its UTF-8. */
const ENCODED = /[^\x20-\x24\x26-\x7e]+/gu;

const encodeBytes = (text: string): string =>
  Buffer.from(text, 'utf8')
    .toString('hex')
    .replaceAll(/../g, (digits) => `%${digits.toUpperCase()}`);

export function writeStatus(lines: HeaderMap, { code, reason }: StreamStatus): void {
  lines.push(H.grpcStatus, String(code));
  if (reason === '') return;
  lines.push(H.grpcMessage, reason.slice(0, MAX_REASON_CHARS).replaceAll(ENCODED, encodeBytes));
}

/** Percent-encoded UTF-8; what is not stays as it came. */
export function readReason(text: string): string {
  const cut = text.slice(0, MAX_REASON_CHARS);
  try {
    return decodeURIComponent(cut);
  } catch {
    return cut;
  }
}
