// [w] Terminal filters that answer by themselves: envoy.filters.network.echo, envoy.filters.network.direct_response.
import type { Connection } from '../../network/connection.ts';
import { CloseType } from '../../network/transport.ts';
import type { CloseEvent, ConnectionCallbacks } from '../../network/transport.ts';
import type { DownstreamConnectionInfo } from '../../stream-info/stream-info.ts';
import type { ConnectionOwner, TerminalFilterFactory } from './network-filter.ts';

class Echo implements ConnectionCallbacks {
  readonly #connection: Connection;
  readonly #owner: ConnectionOwner;

  constructor(connection: Connection, owner: ConnectionOwner) {
    this.#connection = connection;
    this.#owner = owner;
  }

  onData(chunk: Buffer, endStream: boolean): void {
    this.#connection.write(chunk);
    if (endStream) this.#connection.close(CloseType.FlushWrite);
  }

  onClose(_event: CloseEvent, _detail: string): void {
    this.#owner.onConnectionDone();
  }

  // A client that does not read what it says is not read either.
  onAboveWriteBufferHighWatermark(): void {
    this.#connection.readDisable(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#connection.readDisable(false);
  }
}

export class EchoFactory implements TerminalFilterFactory {
  createFilter(
    connection: Connection,
    _info: DownstreamConnectionInfo,
    owner: ConnectionOwner,
  ): ConnectionCallbacks {
    return new Echo(connection, owner);
  }
}

const DIRECT = { details: 'direct_response' };

/** Says its text and is done. */
class Answered implements ConnectionCallbacks {
  readonly #owner: ConnectionOwner;

  constructor(owner: ConnectionOwner) {
    this.#owner = owner;
  }

  onData(_chunk: Buffer, _endStream: boolean): void {}
  onClose(_event: CloseEvent, _detail: string): void {
    this.#owner.onConnectionDone(DIRECT);
  }
  onAboveWriteBufferHighWatermark(): void {}
  onBelowWriteBufferLowWatermark(): void {}
}

export class DirectResponseFactory implements TerminalFilterFactory {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  createFilter(
    connection: Connection,
    _info: DownstreamConnectionInfo,
    owner: ConnectionOwner,
  ): ConnectionCallbacks {
    const answered = new Answered(owner);
    connection.setCallbacks(answered);
    connection.writeText(this.#text);
    connection.close(CloseType.FlushWrite);
    return answered;
  }
}
