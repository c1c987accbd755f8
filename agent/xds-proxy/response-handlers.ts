// [m] Resources that the agent asks for and keeps itself, unseen by the proxy: name table, proxy config (istio-contract §1.9).
import { unpackAnyAs } from '../../xds-protos/any.ts';
import type { NameTable_NameInfo } from '../../xds-protos/gen/istio.networking.nds.v1.ts';
import type { Any } from '../../xds-protos/well-known-types.ts';

export const NAME_TABLE_TYPE_URL = 'type.googleapis.com/istio.networking.nds.v1.NameTable';
export const PROXY_CONFIG_TYPE_URL = 'type.googleapis.com/istio.mesh.v1alpha1.ProxyConfig';
const ENVOY_TYPE_PREFIX = 'type.googleapis.com/envoy.';
const WORKLOAD_TYPE_URL = 'type.googleapis.com/istio.workload.Workload';

export interface ResponseHandler {
  readonly typeUrl: string;
  /** Undefined: taken; else why not, and what was there before stays. */
  accept(resources: readonly Any[]): string | undefined;
}

/** What goes down to the proxy; everything else needs a handler or is dropped. */
export const isForProxy = (typeUrl: string): boolean =>
  typeUrl.startsWith(ENVOY_TYPE_PREFIX) || typeUrl === WORKLOAD_TYPE_URL;

export class NameTableHandler implements ResponseHandler {
  readonly typeUrl = NAME_TABLE_TYPE_URL;
  readonly #onTable: (table: ReadonlyMap<string, NameTable_NameInfo>) => void;
  #table: ReadonlyMap<string, NameTable_NameInfo> | undefined;

  constructor(onTable: (table: ReadonlyMap<string, NameTable_NameInfo>) => void = () => {}) {
    this.#onTable = onTable;
  }

  /** Undefined until one came. Keyed by host name. */
  get table(): ReadonlyMap<string, NameTable_NameInfo> | undefined {
    return this.#table;
  }

  accept(resources: readonly Any[]): string | undefined {
    if (resources.length !== 1) return `expected one name table, got ${resources.length}`;
    try {
      const table = unpackAnyAs('istio.networking.nds.v1.NameTable', resources[0]);
      if (table === undefined) return 'the resource is no name table';
      this.#table = table.table ?? new Map();
      this.#onTable(this.#table);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** For /debug/ndsz. */
  toJson(): string {
    const table = Object.create(null) as Record<string, NameTable_NameInfo>;
    for (const [host, info] of this.#table ?? []) table[host] = info;
    return JSON.stringify({ table });
  }
}

/** Roots of the mesh, as istiod tells them to agents that ask (istio-contract §1.9, PCDS). */
export class TrustBundleHandler implements ResponseHandler {
  readonly typeUrl = PROXY_CONFIG_TYPE_URL;
  readonly #onBundle: (pems: readonly string[]) => void;

  constructor(onBundle: (pems: readonly string[]) => void) {
    this.#onBundle = onBundle;
  }

  accept(resources: readonly Any[]): string | undefined {
    try {
      const pems = resources.flatMap(
        (resource) =>
          unpackAnyAs('istio.mesh.v1alpha1.ProxyConfig', resource)?.ca_certificates_pem ?? [],
      );
      this.#onBundle(pems);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }
}
