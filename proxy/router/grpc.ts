// [w] What counts as gRPC (envoy-behaviour §1.15): `application/grpc`, exactly or followed by `+`.
import { H } from '../http/headers.ts';
import type { RequestHeaders } from '../http/header-map.ts';

const GRPC = 'application/grpc';

export function isGrpcRequest(headers: RequestHeaders): boolean {
  const type = headers.get(H.contentType);
  if (type === undefined || !type.startsWith(GRPC)) return false;
  return type.length === GRPC.length || type.charCodeAt(GRPC.length) === 0x2b;
}
