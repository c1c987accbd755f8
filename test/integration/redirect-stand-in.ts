// Stands in for the proxy behind the redirect rules: passes bytes on to the original destination, prints a JSON line per connection. [m]
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import process from 'node:process';
import { originalDestination } from '../../proxy/network/original-dst.ts';

const outboundPort = 15001;
const inboundPort = 15006;
/** Where the rules let the proxy's own traffic come back, every connection would make the next one. */
const mostConnections = 100;
let connections = 0;
let listening = 0;

for (const port of [outboundPort, inboundPort]) {
  createServer((downstream) => accept(downstream, port)).listen(port, '::', () => {
    if (++listening === 2) process.stdout.write('ready\n');
  });
}

function accept(downstream: Socket, port: number): void {
  const family = downstream.remoteAddress?.includes('.') === true ? 'IPv4' : 'IPv6';
  const fd = (downstream as Socket & { _handle: { fd: number } })._handle.fd;
  const destination = originalDestination(fd, family);
  process.stdout.write(`${JSON.stringify({ port, destination })}\n`);
  if (++connections > mostConnections) process.exit(1);
  if (destination === undefined) {
    downstream.destroy();
    return;
  }
  // Istio's inbound clusters bind this source address, by which the rules know traffic that goes on to the application.
  const source = family === 'IPv4' ? '127.0.0.6' : '::6';
  const upstream = connect({
    host: destination.address,
    port: destination.port,
    ...(port === inboundPort ? { localAddress: source } : {}),
  });
  upstream.on('error', () => downstream.destroy());
  downstream.on('error', () => upstream.destroy());
  downstream.pipe(upstream).pipe(downstream);
}
