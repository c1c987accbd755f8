// [w] gRPC status of a finished stream for access logs: trailers, then headers, then the HTTP code's counterpart.
import { H } from '../http/headers.ts';
import type { AccessLogEntry } from '../http/conn-manager-context.ts';

const CAMEL = [
  ...[
    'OK',
    'Canceled',
    'Unknown',
    'InvalidArgument',
    'DeadlineExceeded',
    'NotFound',
    'AlreadyExists',
  ],
  ...[
    'PermissionDenied',
    'ResourceExhausted',
    'FailedPrecondition',
    'Aborted',
    'OutOfRange',
    'Unimplemented',
  ],
  ...['Internal', 'Unavailable', 'DataLoss', 'Unauthenticated'],
];
const SNAKE = [
  ...[
    'OK',
    'CANCELLED',
    'UNKNOWN',
    'INVALID_ARGUMENT',
    'DEADLINE_EXCEEDED',
    'NOT_FOUND',
    'ALREADY_EXISTS',
  ],
  ...[
    'PERMISSION_DENIED',
    'RESOURCE_EXHAUSTED',
    'FAILED_PRECONDITION',
    'ABORTED',
    'OUT_OF_RANGE',
    'UNIMPLEMENTED',
  ],
  ...['INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED'],
];

/** Envoy's number for a grpc-status that is no number. */
const INVALID = -1;

/** The counterpart of an HTTP code, for answers that carry no grpc-status. */
function fromHttpCode(code: number): number {
  switch (code) {
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
}

function isGrpcRequest(entry: AccessLogEntry): boolean {
  const type = entry.requestHeaders?.get(H.contentType);
  if (type === undefined || !type.startsWith('application/grpc')) return false;
  return type.length === 16 || type[16] === '+' || type[16] === ';';
}

/** Of the answer, whatever the request was; null where nothing was answered. */
export function answeredGrpcStatus(entry: AccessLogEntry): number | null {
  const text =
    entry.responseTrailers?.get(H.grpcStatus) ?? entry.responseHeaders?.get(H.grpcStatus);
  if (text !== undefined) return /^[0-9]{1,9}$/.test(text) ? Number(text) : INVALID;
  return entry.info.responseCode === 0 ? null : fromHttpCode(entry.info.responseCode);
}

/** Null when the request is no gRPC. */
export function grpcStatusNumber(entry: AccessLogEntry): number | null {
  return isGrpcRequest(entry) ? answeredGrpcStatus(entry) : null;
}

function named(names: readonly string[], entry: AccessLogEntry): string | null {
  const status = grpcStatusNumber(entry);
  if (status === null) return null;
  return names[status] ?? (status === INVALID ? 'InvalidCode' : String(status));
}

export const grpcStatusCamel = (entry: AccessLogEntry): string | null => named(CAMEL, entry);
export const grpcStatusSnake = (entry: AccessLogEntry): string | null => named(SNAKE, entry);
