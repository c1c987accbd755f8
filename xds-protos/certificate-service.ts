// [m] IstioCertificateService, the server: a certificate for a request that names a workload (istio-contract §6.9).
import type { handleUnaryCall } from '@grpc/grpc-js';
import type { StreamStatus } from './ads-stream.ts';
import { statusCode } from './ads-stream.ts';
import { CERTIFICATE_METHOD as method } from './certificate-method.ts';
import type { MessageTypes } from './gen/message-types.ts';
import { deserializer, serializer } from './grpc-library.ts';
import type { GrpcServer } from './grpc-server.ts';

export type CertificateRequest = MessageTypes[typeof method.request];

/** PEM texts, leaf first, root last; or the gRPC status of the refusal. */
export type CertificateAnswer =
  | { readonly ok: true; readonly chain: readonly string[] }
  | { readonly ok: false; readonly status: StreamStatus };

/** Who calls. */
export interface CertificateCaller {
  /** Of the request, names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** DER of the certificate that the client showed, and that is good; undefined: none. */
  readonly certificate: Uint8Array | undefined;
}

export type CertificateHandler = (
  request: CertificateRequest,
  caller: CertificateCaller,
) => CertificateAnswer | Promise<CertificateAnswer>;

/** Once for each server, before it listens. */
export function serveCertificates(server: GrpcServer, handler: CertificateHandler): void {
  const onCall: handleUnaryCall<
    MessageTypes[typeof method.request],
    MessageTypes[typeof method.response]
  > = (call, callback) => {
    const headers = new Map<string, string>();
    for (const [name, value] of Object.entries(call.metadata.getMap()))
      if (typeof value === 'string') headers.set(name, value);
    const certificate = call.getAuthContext().sslPeerCertificate?.raw;
    const answer = async (): Promise<CertificateAnswer> =>
      handler(call.request, { headers, certificate });
    answer().then(
      (given) => {
        if (given.ok) callback(null, { cert_chain: [...given.chain] });
        else callback({ code: given.status.code, details: given.status.reason });
      },
      // What went wrong is the handler's to log: the caller may be anybody.
      () => callback({ code: statusCode.internal, details: 'internal error' }),
    );
  };
  server.grpc.addService(
    {
      CreateCertificate: {
        path: method.path,
        requestStream: false,
        responseStream: false,
        requestSerialize: serializer(method.request),
        requestDeserialize: deserializer(method.request),
        responseSerialize: serializer(method.response),
        responseDeserialize: deserializer(method.response),
      },
    },
    { CreateCertificate: onCall },
  );
}
