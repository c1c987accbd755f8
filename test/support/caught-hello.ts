// The first flight of a TLS client, as bytes: for whoever wants to cut it, change it, or read it.
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';

export function caughtHello(options: ConnectionOptions): Promise<Buffer> {
  return new Promise((resolve) => {
    const catcher = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (bytes: Buffer) => {
        resolve(bytes);
        socket.destroy();
        catcher.close();
      });
    });
    catcher.listen(0, '127.0.0.1', () => {
      const { port } = catcher.address() as AddressInfo;
      connect({ host: '127.0.0.1', port, ...options }).on('error', () => {});
    });
  });
}
