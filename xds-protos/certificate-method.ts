// [m] The method by which istiod signs a workload's request (istio-contract §6.9).

export const CERTIFICATE_METHOD = {
  path: '/istio.v1.auth.IstioCertificateService/CreateCertificate',
  request: 'istio.v1.auth.IstioCertificateRequest',
  response: 'istio.v1.auth.IstioCertificateResponse',
} as const;
