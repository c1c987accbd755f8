// [m] HTTP/2 beside HTTP/1.1 on a port without TLS, for clients that begin with its preface (RFC 9113 §3.3, §3.4). Stock's status server takes
// both; node:http2 is loaded by the first such client.
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Http2Server, Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { Socket } from 'node:net';

/** No method of HTTP/1.1 begins with these bytes. */
const PREFACE = 'PRI';
const FIRST_BYTES_MS = 10_000;
const MAX_STREAMS = 64;

export class PriorKnowledge {
  readonly #server: Server;
  readonly #handler: RequestListener;
  readonly #toHttp1: (socket: Socket) => void;
  readonly #sockets = new Set<Socket>();
  #http2: Http2Server | undefined;

  /** Before `server` listens; requests of both versions come to `handler`, which `server` has already. */
  constructor(server: Server, handler: RequestListener) {
    this.#server = server;
    this.#handler = handler;
    const listeners = server.listeners('connection') as ((socket: Socket) => void)[];
    this.#toHttp1 = (socket) => {
      for (const listener of listeners) listener.call(server, socket);
    };
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => this.#onConnection(socket));
  }

  /** Connections that HTTP/1.1 does not have. */
  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #onConnection(socket: Socket): void {
    this.#sockets.add(socket);
    const giveUp = (): void => {
      socket.destroy();
    };
    const leave = (): void => {
      this.#sockets.delete(socket);
    };
    let bytes: Buffer = Buffer.alloc(0);
    const onReadable = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      bytes = Buffer.concat([bytes, chunk]);
      const start = bytes.toString('latin1', 0, PREFACE.length);
      // A part of it may be the start of anything: the rest comes.
      if (start.length < PREFACE.length && PREFACE.startsWith(start)) return;
      socket.setTimeout(0);
      socket.removeListener('timeout', giveUp);
      socket.removeListener('error', giveUp);
      socket.removeListener('end', giveUp);
      socket.removeListener('readable', onReadable);
      socket.unshift(bytes);
      if (start === PREFACE) this.#toHttp2(socket);
      else {
        socket.removeListener('close', leave);
        leave();
        this.#toHttp1(socket);
      }
    };
    socket.setTimeout(FIRST_BYTES_MS);
    socket.on('timeout', giveUp);
    socket.on('error', giveUp);
    socket.on('end', giveUp);
    socket.on('close', leave);
    socket.on('readable', onReadable);
  }

  #toHttp2(socket: Socket): void {
    this.#http2 ??= process
      .getBuiltinModule('node:http2')
      .createServer(
        { settings: { maxConcurrentStreams: MAX_STREAMS }, maxSessionMemory: 1 },
        (request, response) => this.#onRequest(request, response),
      );
    this.#http2.setTimeout(this.#server.keepAliveTimeout);
    this.#http2.emit('connection', socket);
  }

  #onRequest(request: Http2ServerRequest, response: Http2ServerResponse): void {
    const { ':authority': authority, host } = request.headers;
    const distinct: NodeJS.Dict<string[]> = Object.create(null) as NodeJS.Dict<string[]>;
    for (const [name, value] of Object.entries(request.headers)) {
      if (name.startsWith(':') || value === undefined) continue;
      distinct[name] = typeof value === 'string' ? [value] : value;
    }
    const named = authority ?? host;
    if (named !== undefined) distinct['host'] = [named];
    // What the compatible objects lack of those that they stand for.
    Object.defineProperty(request, 'headersDistinct', { value: distinct });
    Object.defineProperty(response, 'destroyed', { get: () => response.stream.destroyed });
    this.#handler(
      request as unknown as IncomingMessage,
      response as unknown as ServerResponse<IncomingMessage> & { req: IncomingMessage },
    );
  }
}
