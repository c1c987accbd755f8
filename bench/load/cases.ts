// What is measured: one row a case. A new case is a new row; a new kind of proxy work is a new chain in envoy-bootstrap.ts.
import type { ProxyChain } from './envoy-bootstrap.ts';

export interface LoadCase {
  /** Stays the same over time: results are compared by it. */
  readonly name: string;
  readonly meaning: string;
  readonly chain: ProxyChain;
  readonly path: string;
  /** Bytes of the backend's answer, headers apart. */
  readonly responseBytes: number;
  /** Keep-alive connections of the load generator. */
  readonly connections: number;
  /** Part of `npm run bench -- quick`. */
  readonly quick: boolean;
}

export const LOAD_CASES: readonly LoadCase[] = [
  {
    name: 'h1-get-100b-router',
    meaning: 'HTTP/1.1 GET, 100 B answer, router only',
    chain: 'router',
    path: '/',
    responseBytes: 100,
    connections: 32,
    quick: true,
  },
  {
    name: 'h1-get-100b-sidecar',
    meaning: "the same through a sidecar's filters, weighted route, retry policy, access log",
    chain: 'sidecar',
    path: '/',
    responseBytes: 100,
    connections: 32,
    quick: true,
  },
];
