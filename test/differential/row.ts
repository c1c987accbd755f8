// What a case of the differential suite is: data, compiled into one bootstrap per file and played against Envoy and ours.
import type { Socket } from 'node:net';

export type Json = { readonly [key: string]: unknown };

/**
 * What the client does, in order. A string is sent. Text may say `CASE` (see README): the case's own name, four characters.
 * `responses` counts complete final responses on this connection, `heads` only final heads.
 */
export type ClientStep =
  | string
  | { readonly responses: number }
  | { readonly heads: number }
  | { readonly until: string | RegExp }
  | { readonly upstreamGets: string | RegExp; readonly at?: string }
  | { readonly upstreamEnds: true; readonly at?: string }
  | { readonly closed: true }
  | { readonly end: true }
  | { readonly close: true }
  | { readonly reset: true }
  | { readonly pauseMs: number }
  /** The steps behind it use a new connection; the one before stays open. */
  | { readonly connect: true }
  /** Back to a connection by its number, 0 for the first. */
  | { readonly on: number };

/** What an upstream does when a request arrived. `at: 'head'` as the first step: as soon as the head did. */
export type UpstreamStep =
  | string
  | { readonly at: 'head' }
  | { readonly pauseMs: number }
  /** Until this connection has sent that, counted from its beginning. */
  | { readonly until: string | RegExp }
  /** What follows on this connection are no requests. */
  | { readonly tunnel: true }
  | { readonly end: true }
  | { readonly close: true }
  | { readonly reset: true };

/** A string is a whole answer; no steps at all: it never answers. */
export type Answer = string | readonly UpstreamStep[];

export interface UpstreamScript {
  /** Done on every new connection before anything was read. */
  readonly onConnect?: readonly UpstreamStep[];
  /** The first request gets the first one, and so on, over all connections; the last one is repeated. */
  readonly answers: readonly Answer[];
}

/**
 * For protocols other than HTTP/1: reads and writes as it likes; what it notes is compared instead of its bytes. `hear` notes bytes, those
 * that follow one another as one line, however they came.
 */
export interface CustomUpstream {
  readonly serve: (
    socket: Socket,
    note: (line: string) => void,
    hear: (bytes: Buffer) => void,
  ) => void;
}

/** Nobody listens on its port. */
export interface RefusingUpstream {
  readonly refuses: true;
}

export type Upstream = Answer | UpstreamScript | CustomUpstream | RefusingUpstream;

/** All parts are merged over the defaults: objects field by field, arrays and the rest as they are; null takes a field away. */
export interface CaseConfig {
  readonly hcm?: Json;
  /** In front of the router. */
  readonly httpFilters?: readonly Json[];
  /** Fields of the route action to the cluster CASE-up. */
  readonly route?: Json;
  /** Fields of the route beside match and action. */
  readonly routeMore?: Json;
  /** Instead of the one route. */
  readonly routes?: readonly Json[];
  /** Fields of the only virtual host. */
  readonly virtualHost?: Json;
  readonly virtualHosts?: readonly Json[];
  readonly routeConfig?: Json;
  readonly listener?: Json;
  /** By the word behind `CASE-`. */
  readonly clusters?: { readonly [name: string]: Json };
}

export type Facet = 'client' | 'upstream' | 'log' | 'stats';

export interface Difference {
  readonly envoy: string;
  readonly ours: string;
  readonly reason: string;
  /** These must differ, the others must not. */
  readonly where: readonly Facet[];
}

export interface Expectation {
  /** Of the final responses the clients got, all connections in order. */
  readonly status?: number | readonly number[];
  /** All that clients got, normalised. */
  readonly client?: RegExp;
  /** All that upstreams got, normalised. */
  readonly upstream?: RegExp;
  readonly log?: RegExp;
}

export interface Row {
  /** A sentence; unique in its file. */
  readonly name: string;
  readonly config?: CaseConfig;
  readonly client: string | readonly ClientStep[];
  /** Of the host of CASE-up; a plain 200 where it does not matter. */
  readonly upstream?: Upstream;
  /** More hosts: `other` is the host of CASE-other, `up/2` a second host of CASE-up. */
  readonly upstreams?: { readonly [host: string]: Upstream };
  /** Names of counters and gauges; `*` at the end stands for any rest. */
  readonly stats?: readonly string[];
  /** Format of the access log, without line end. */
  readonly log?: string;
  /** What may vary in observed text besides dates, ids and ports. */
  readonly mask?: readonly (readonly [pattern: RegExp, by: string])[];
  readonly expect?: Expectation;
  readonly differs?: Difference;
  /** Off where the cut of the client's bytes matters on purpose; with the reason. */
  readonly uncut?: string;
  /** Off where chunk borders matter: otherwise neighbouring chunks count as one. */
  readonly exactChunks?: true;
}

export interface SuiteOptions {
  /** Under every row's own configuration. */
  readonly config?: CaseConfig;
  readonly stats?: readonly string[];
  readonly log?: string;
  /** Why answers of upstreams are not cut where clients' bytes are: what comes out depends on it. */
  readonly wholeAnswers?: string;
  /** Merged into the bootstrap. */
  readonly bootstrap?: Json;
}

export interface Suite {
  /** What the page of differences calls it. */
  readonly title: string;
  readonly options: SuiteOptions;
  readonly rows: readonly Row[];
}
