// [m] KeptUpstream: stands where the control plane would, and answers with what was kept; only what the proxy has not.
import type { Resource } from '../../xds-protos/gen/envoy.service.discovery.v3.ts';
import { ProtobufWriter } from '../../proxy/base/protobuf-writer.ts';
import type { Dialect, RelayedRequest, RelayedResponse } from '../xds-proxy/dialect.ts';
import { isForProxy } from '../xds-proxy/response-handlers.ts';
import { ENDPOINTS, ROUTE } from '../xds-proxy/type-urls.ts';
import type { KeptConfig } from './kept-config.ts';

/** What istiod answers to a name that it does not know, so that nobody waits for it (istio-contract §1.6). */
const EMPTY_IF_UNKNOWN: ReadonlySet<string> = new Set([ENDPOINTS, ROUTE]);

export class KeptUpstream<Request extends RelayedRequest, Response extends RelayedResponse> {
  readonly #kept: KeptConfig;
  readonly #dialect: Dialect<Request, Response>;
  readonly #onResponse: (response: Response) => void;
  readonly #sent = new Map<string, Set<string>>();
  #nonces = 0;

  constructor(
    kept: KeptConfig,
    dialect: Dialect<Request, Response>,
    onResponse: (response: Response) => void,
  ) {
    this.#kept = kept;
    this.#dialect = dialect;
    this.#onResponse = onResponse;
  }

  send(request: Request): void {
    const typeUrl = request.type_url ?? '';
    if (!isForProxy(typeUrl) || request.error_detail !== undefined) return;
    const resources = this.#wanted(typeUrl, request);
    if (resources === undefined) return;
    const nonce = `last-good/${++this.#nonces}`;
    const version = this.#kept.get(typeUrl)?.version ?? '';
    this.#onResponse(this.#dialect.respond(typeUrl, { nonce, version, resources }));
  }

  /** Undefined: there is nothing to say. All of a type may be none, as the listeners of a gateway: that is an answer, too. */
  #wanted(typeUrl: string, request: Request): readonly Resource[] | undefined {
    const all = this.#kept.get(typeUrl)?.resources;
    const kept = all ?? new Map<string, Resource>();
    const names = this.#dialect.names(request);
    const before = this.#sent.get(typeUrl);
    const sent = before ?? new Set();
    this.#sent.set(typeUrl, sent);
    if (names.length === 0 || names.includes('*')) {
      const isFirst = before === undefined && this.#dialect.isFresh(request);
      return isFirst && all !== undefined ? [...kept.values()] : undefined;
    }
    const resources: Resource[] = [];
    for (const name of names) {
      if (sent.has(name) || this.#dialect.knows(request, name)) continue;
      const resource = kept.get(name) ?? emptyOne(typeUrl, name);
      if (resource === undefined) continue;
      sent.add(name);
      resources.push(resource);
    }
    return resources.length === 0 ? undefined : resources;
  }
}

function emptyOne(typeUrl: string, name: string): Resource | undefined {
  if (!EMPTY_IF_UNKNOWN.has(typeUrl)) return undefined;
  const writer = new ProtobufWriter();
  writer.bytes(1, Buffer.from(name));
  return { name, resource: { type_url: typeUrl, value: writer.finish() } };
}
