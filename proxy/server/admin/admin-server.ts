// [m] AdminServer: the admin address (15000 in a pod), on the main thread with node:http. No request of the mesh passes here.
import { fs } from '../../base/node-builtins.ts';
import { createServer } from '../../base/lean-http.ts';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Closable } from '../../base/lifetime.ts';
import type { AddressConfig } from '../../config/listener-config.ts';
import { addressText } from '../../upstream/host.ts';
import type { AdminContext } from '../admin-context.ts';
import { dispatchAdmin } from './admin-dispatch.ts';
import type { AdminResponse } from './admin-endpoint.ts';
import { MAX_QUERY_CHARS } from './admin-query.ts';

const MAX_HEADER_BYTES = 60 * 1024;
const MAX_CONNECTIONS = 256;

export class AdminServer implements Closable {
  readonly #context: AdminContext;
  readonly #server: Server;
  #pipePath: string | undefined = undefined;

  constructor(context: AdminContext) {
    this.#context = context;
    this.#server = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, (request, response) => {
      void this.#serve(request, response);
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /**
   * Resolves when it accepts, with the address it has; rejects when the address cannot be bound. `address` defaults to the bootstrap's. The bound
   * address goes into the file that `--admin-address-path` names.
   */
  async listen(
    address: AddressConfig | undefined = this.#context.bootstrap.admin.address,
  ): Promise<AddressConfig> {
    if (address === undefined) throw new Error('the bootstrap gives no admin address');
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      const done = (): void => {
        this.#server.off('error', reject);
        resolve();
      };
      if (address.kind === 'pipe') this.#listenOnPipe(address.path, address.mode, done);
      else this.#server.listen({ host: address.address, port: address.port }, done);
    });
    // A listening socket that breaks later must not end the process.
    this.#server.on('error', () => {});
    const { adminAddressPath } = this.#context.options;
    const bound = this.address ?? address;
    if (adminAddressPath !== '') fs.writeFileSync(adminAddressPath, addressText(bound));
    return bound;
  }

  /** As bound; undefined before listen() and after close(). */
  get address(): AddressConfig | undefined {
    const bound = this.#server.address() as AddressInfo | string | null;
    if (bound === null) return undefined;
    if (typeof bound === 'string') return { kind: 'pipe', path: bound, mode: 0 };
    return { kind: 'ip', address: bound.address, port: bound.port };
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    if (this.#pipePath !== undefined) removeSocket(this.#pipePath);
    this.#pipePath = undefined;
  }

  #listenOnPipe(path: string, mode: number, done: () => void): void {
    removeSocket(path);
    this.#pipePath = path;
    this.#server.listen({ path }, () => {
      if (mode !== 0) fs.chmodSync(path, mode);
      done();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const form = await readForm(request);
      const { method = 'GET', url = '/' } = request;
      send(response, await dispatchAdmin(this.#context, { method, target: url, form }), method);
    } catch {
      // The client went away in the middle of its body, or sent too much of it.
      response.destroy();
    }
  }
}

function send(response: ServerResponse, answer: AdminResponse, method: string): void {
  const body = Buffer.from(answer.body, 'utf8');
  response.writeHead(answer.status, {
    'content-type': answer.contentType,
    'cache-control': 'no-cache, max-age=0',
    'x-content-type-options': 'nosniff',
    ...answer.headers,
    'content-length': body.length,
    server: 'envoy',
  });
  response.end(method === 'HEAD' ? undefined : body);
}

/** The body of a form; other bodies are read and thrown away. Throws when a body is too long. */
async function readForm(request: IncomingMessage): Promise<string> {
  const isForm =
    request.headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > 4 * MAX_QUERY_CHARS) throw new Error('body too long');
    if (isForm) chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** A socket that a proxy before us left behind; anything else at that path stays, and listening fails. */
function removeSocket(path: string): void {
  try {
    if (fs.lstatSync(path).isSocket()) fs.unlinkSync(path);
  } catch {
    // Nothing was there.
  }
}
