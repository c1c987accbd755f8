// [m] AdminServer: the admin address (15000 in a pod), on the main thread. No request of the mesh passes here.
import { fs } from '../../base/node-builtins.ts';
import { lazyPart } from '../../base/lazy-part.ts';
import type { Closable } from '../../base/lifetime.ts';
import type { TimeSource } from '../../base/clock.ts';
import type { AddressConfig } from '../../config/listener-config.ts';
import { DateHeader } from '../../http/date-header.ts';
import { IoThread } from '../../network/io-thread.ts';
import { BindError, ListenSocket } from '../../network/listen-socket.ts';
import type { SocketHandle } from '../../network/socket-binding.ts';
import { addressText } from '../../upstream/host.ts';
import type { AdminContext } from '../admin-context.ts';
import type { AdminConnection, AdminConnectionOwner } from './admin-connection.ts';

const connection = lazyPart<typeof import('./admin-connection.ts')>(
  'server/admin/admin-connection',
);

const MAX_CONNECTIONS = 256;
const BACKLOG = 511;

export class AdminServer implements Closable, AdminConnectionOwner {
  /** What requests are answered from. */
  readonly context: AdminContext;
  readonly #io: IoThread;
  readonly #date: DateHeader;
  readonly #connections = new Set<AdminConnection>();
  #socket: ListenSocket | undefined = undefined;
  #address: AddressConfig | undefined = undefined;

  constructor(context: AdminContext, time: TimeSource) {
    this.context = context;
    this.#io = new IoThread(time);
    this.#date = new DateHeader(time);
  }

  /**
   * Accepts from now on; gives the address it has, and throws when it cannot be bound. `address` defaults to the bootstrap's. The bound
   * address goes into the file that `--admin-address-path` names.
   */
  listen(address: AddressConfig | undefined = this.context.bootstrap.admin.address): AddressConfig {
    if (address === undefined) throw new Error('the bootstrap gives no admin address');
    if (address.kind === 'pipe') makeRoom(address.path);
    const settings = { backlog: BACKLOG, reusePort: false };
    this.#socket = new ListenSocket(this.#io, address, settings, (handle) => this.#accept(handle));
    const bound = address.kind === 'pipe' ? address : { ...address, port: this.#socket.port };
    this.#address = bound;
    const { adminAddressPath } = this.context.options;
    if (adminAddressPath !== '') fs.writeFileSync(adminAddressPath, addressText(bound));
    return bound;
  }

  /** As bound; undefined before listen() and after close(). */
  get address(): AddressConfig | undefined {
    return this.#address;
  }

  close(): void {
    this.#socket?.close();
    for (const connection of this.#connections) connection.close();
    this.#io.timers.close();
    if (this.#address?.kind === 'pipe') removeSocket(this.#address.path);
    this.#address = undefined;
  }

  // === AdminConnectionOwner

  date(): string {
    return this.#date.value();
  }

  onConnectionDone(connection: AdminConnection): void {
    this.#connections.delete(connection);
  }

  #accept(handle: SocketHandle): void {
    if (this.#connections.size >= MAX_CONNECTIONS) handle.close();
    else this.#connections.add(connection().acceptAdmin(this, this.#io, handle));
  }
}

/** Whatever is no socket stays at that path, and listening fails. */
function makeRoom(path: string): void {
  removeSocket(path);
  if (fs.existsSync(path)) throw new BindError(path, 'there is a file that is no socket');
}

/** One that a proxy before us left behind, or ours. */
function removeSocket(path: string): void {
  try {
    if (fs.lstatSync(path).isSocket()) fs.unlinkSync(path);
  } catch {
    // Nothing was there.
  }
}
