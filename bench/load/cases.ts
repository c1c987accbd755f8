// What is measured: one row a case. A new case is a new row; a new kind of proxy work is a new chain in envoy-bootstrap.ts.
import type { ProxyChain } from './envoy-bootstrap.ts';
import type { KeyKind } from './tls-material.ts';

export interface LoadCase {
  /** Stays the same over time: results are compared by it. */
  readonly name: string;
  readonly meaning: string;
  readonly chain: ProxyChain;
  /** Default GET. */
  readonly method?: 'GET' | 'POST';
  readonly requestBodyBytes?: number;
  /** Request headers of about 40 bytes besides those of the load generator. */
  readonly extraHeaders?: number;
  /** A connection serves one request. */
  readonly newConnections?: boolean;
  /** Of the backend's answer, headers apart. */
  readonly responseBytes: number;
  /** Keep-alive connections of the load generator. */
  readonly connections: number;
  /** Proxies in a row between client and backend, as with a sidecar on either side. Default 1. */
  readonly hops?: 1 | 2;
  /** What the server behind speaks, if not HTTP/1: HTTP/2, or gRPC with one message there and one back. */
  readonly origin?: 'h2' | 'grpc' | 'grpc-streams';
  /** HTTP/2 from the client, by prior knowledge, so many requests at once on a connection. */
  readonly streams?: number;
  /**
   * `downstream`: the client speaks TLS 1.3; `mutual`: and shows a certificate. `between`: two hops, mutual TLS from one to the
   * other, as between sidecars.
   */
  readonly tls?: 'downstream' | 'mutual' | 'between';
  /** A handshake for each request: resuming the session before it, or not. */
  readonly handshakes?: 'full' | 'resumed';
  /** Key exchange of those. */
  readonly group?: 'X25519' | 'X25519MLKEM768';
  /** Of certificates; default P-256. */
  readonly key?: KeyKind;
  /** Worker threads of the proxy. Default 1. */
  readonly workers?: number;
  /** Fixed rates at which added latency and CPU are measured, requests per second. */
  readonly rates?: readonly number[];
  /** So many connections, then as many again, stay open after one request each; their memory is measured. */
  readonly idleConnections?: number;
  /** Time from exec to the first answer is measured as often as there are rounds. */
  readonly startup?: boolean;
  /** Why Outrigger cannot do it yet: the case is reported as skipped. */
  readonly notBuilt?: string;
  /** Part of `npm run bench -- quick`. */
  readonly quick?: boolean;
}

const RATES = [1_000, 5_000];

/** TLS 1.3, X25519, P-256 unless said; one GET each. */
function handshakeCases(): readonly LoadCase[] {
  const common = { chain: 'router', responseBytes: 100, connections: 8 } as const;
  const tls = { ...common, tls: 'downstream' } as const;
  const mutual = { ...common, tls: 'mutual' } as const;
  return [
    {
      ...tls,
      name: 'tls-handshakes-full',
      meaning: 'a connection and a full TLS 1.3 handshake for each request, router only',
      handshakes: 'full',
    },
    {
      ...tls,
      name: 'tls-handshakes-resumed',
      meaning: 'the same, each resuming the session of the one before it',
      handshakes: 'resumed',
    },
    {
      ...tls,
      name: 'tls-handshakes-full-mlkem',
      meaning: 'full, with X25519MLKEM768, as browsers and Envoy from 1.40 on offer it',
      handshakes: 'full',
      group: 'X25519MLKEM768',
    },
    {
      ...mutual,
      name: 'mtls-handshakes-full',
      meaning: 'full, both sides with RSA 2048, as sidecars have it by default',
      handshakes: 'full',
      key: 'rsa',
    },
    {
      ...mutual,
      name: 'mtls-handshakes-resumed',
      meaning: 'resumed, both sides with RSA 2048',
      handshakes: 'resumed',
      key: 'rsa',
    },
    {
      ...mutual,
      name: 'mtls-handshakes-full-ecdsa',
      meaning: 'full, both sides with P-256',
      handshakes: 'full',
    },
    {
      ...mutual,
      name: 'mtls-handshakes-resumed-ecdsa',
      meaning: 'resumed, both sides with P-256',
      handshakes: 'resumed',
    },
  ];
}

export const LOAD_CASES: readonly LoadCase[] = [
  {
    name: 'h1-get-100b-router',
    meaning: 'HTTP/1.1 GET, 100 B answer, router only',
    chain: 'router',
    responseBytes: 100,
    connections: 32,
    rates: RATES,
    startup: true,
    quick: true,
  },
  {
    name: 'h1-get-100b-sidecar',
    meaning:
      "HTTP/1.1 GET, 100 B answer, a sidecar's filters, weighted route, retry policy, access log",
    chain: 'sidecar',
    responseBytes: 100,
    connections: 32,
    rates: RATES,
    startup: true,
    quick: true,
  },
  {
    name: 'h1-get-100b-two-workers',
    meaning:
      "HTTP/1.1 GET, 100 B answer, a sidecar's chain, two workers, as Istio runs them by default",
    chain: 'sidecar',
    workers: 2,
    responseBytes: 100,
    connections: 32,
    rates: [1_000],
  },
  {
    name: 'h1-get-1kb-router',
    meaning: 'HTTP/1.1 GET, 1 KB answer, router only',
    chain: 'router',
    responseBytes: 1_024,
    connections: 32,
  },
  {
    name: 'h1-get-100kb-router',
    meaning: 'HTTP/1.1 GET, 100 KB answer, router only',
    chain: 'router',
    responseBytes: 102_400,
    connections: 32,
  },
  {
    name: 'h1-post-10kb-router',
    meaning: 'HTTP/1.1 POST of 10 KB, 100 B answer, router only',
    chain: 'router',
    method: 'POST',
    requestBodyBytes: 10_240,
    responseBytes: 100,
    connections: 32,
  },
  {
    name: 'h1-post-10kb-sidecar',
    meaning: 'HTTP/1.1 POST of 10 KB, 100 B answer, sidecar chain',
    chain: 'sidecar',
    method: 'POST',
    requestBodyBytes: 10_240,
    responseBytes: 100,
    connections: 32,
  },
  {
    name: 'h1-50-headers-router',
    meaning: 'HTTP/1.1 GET with 50 request headers, 100 B answer, router only',
    chain: 'router',
    extraHeaders: 50,
    responseBytes: 100,
    connections: 32,
  },
  {
    name: 'h1-new-connection-router',
    meaning: 'HTTP/1.1 GET, a new connection for each request, router only',
    chain: 'router',
    newConnections: true,
    responseBytes: 100,
    connections: 32,
  },
  {
    name: 'idle-connections-router',
    meaning: '2000 idle keep-alive connections, then 2000 more, router only',
    chain: 'router',
    idleConnections: 2_000,
    responseBytes: 100,
    connections: 32,
  },
  {
    name: 'tcp-passthrough',
    meaning: 'TCP proxy; a round trip is 40 B there and 250 B back on a kept connection',
    chain: 'tcp',
    responseBytes: 100,
    connections: 32,
    rates: [1_000],
  },
  {
    name: 'h1-two-sidecars',
    meaning: 'HTTP/1.1 GET, 100 B answer, through two sidecars in a row (CPU and memory of both)',
    chain: 'sidecar',
    hops: 2,
    responseBytes: 100,
    connections: 32,
    rates: [1_000],
  },
  {
    name: 'h2-get-100b-router',
    meaning: 'HTTP/2 GET, 8 connections with 16 streams each, 100 B answer, router only',
    chain: 'router',
    streams: 16,
    responseBytes: 100,
    connections: 8,
  },
  {
    name: 'h2-to-h2-router',
    meaning:
      'HTTP/2 GET, 8 connections with 16 streams each, HTTP/2 backend, 100 B answer, router only',
    chain: 'router',
    origin: 'h2',
    streams: 16,
    responseBytes: 100,
    connections: 8,
  },
  {
    name: 'h2-to-h2-sidecar',
    meaning:
      "HTTP/2 GET, 8 connections with 16 streams each, HTTP/2 backend, 100 B answer, a sidecar's chain",
    chain: 'sidecar',
    origin: 'h2',
    streams: 16,
    responseBytes: 100,
    connections: 8,
  },
  {
    name: 'h2-1mb-1000-streams',
    meaning:
      'HTTP/2 GET, 1 connection with 1000 streams, HTTP/2 backend, answers of 1 MB, router only',
    chain: 'router',
    origin: 'h2',
    streams: 1_000,
    responseBytes: 1_048_576,
    connections: 1,
  },
  {
    name: 'grpc-unary-two-sidecars',
    meaning:
      'gRPC unary, 100 B each way, 8 connections with 16 calls each, through two sidecars (CPU and memory of both)',
    chain: 'sidecar',
    origin: 'grpc',
    hops: 2,
    method: 'POST',
    requestBodyBytes: 100,
    streams: 16,
    responseBytes: 100,
    connections: 8,
  },
  {
    name: 'grpc-streams-two-sidecars',
    meaning:
      'gRPC, 8 streams that echo messages of 1 KB, through two sidecars; a request is a message there and back (CPU and memory of both)',
    chain: 'sidecar',
    origin: 'grpc-streams',
    hops: 2,
    streams: 8,
    responseBytes: 1_024,
    connections: 1,
  },
  {
    name: 'h1-tls-router',
    meaning: 'HTTP/1.1 GET over TLS 1.3, 100 B answer, router only',
    chain: 'router',
    tls: 'downstream',
    responseBytes: 100,
    connections: 32,
  },
  {
    name: 'h1-tls-100kb-router',
    meaning: 'HTTP/1.1 GET over TLS 1.3, 100 KB answer, router only',
    chain: 'router',
    tls: 'downstream',
    responseBytes: 102_400,
    connections: 32,
  },
  ...handshakeCases(),
  {
    name: 'idle-tls-connections-router',
    meaning: '1000 idle TLS connections, then 1000 more, router only',
    chain: 'router',
    tls: 'downstream',
    idleConnections: 1_000,
    responseBytes: 100,
    connections: 32,
  },
  {
    name: 'h1-mtls-two-sidecars',
    meaning:
      'HTTP/1.1 GET, 100 B answer, two proxies with mutual TLS 1.3 between them (CPU and memory of both)',
    chain: 'router',
    hops: 2,
    tls: 'between',
    responseBytes: 100,
    connections: 32,
  },
];
