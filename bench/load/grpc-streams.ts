// gRPC streams for the bench, a program of two parts: `serve PORT` echoes messages; `load HOST:PORT MS STREAMS` keeps one message of 1 KB
// on its way on each of so many calls, and prints what came back as JSON.
import { Client, Server, ServerCredentials, credentials } from '@grpc/grpc-js';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import process from 'node:process';

import type { LoadResult } from './load-generator.ts';
import { LatencyHistogram } from './latency-histogram.ts';

const MESSAGE_BYTES = 1_024;
const PATH = '/bench.Echo/Chat';
/** Sent on as soon as they are answered: what a stream has on its way. */
const WINDOW = 4;

const raw = (bytes: Buffer): Buffer => bytes;

function serve(port: string): void {
  const server = new Server();
  const method = {
    path: PATH,
    requestStream: true,
    responseStream: true,
    requestSerialize: raw,
    requestDeserialize: raw,
    responseSerialize: raw,
    responseDeserialize: raw,
  };
  server.addService(
    { Chat: method },
    {
      Chat: (call: ServerDuplexStream<Buffer, Buffer>) => {
        call.on('data', (message: Buffer) => call.write(message));
        call.on('end', () => call.end());
        call.on('error', () => {});
      },
    },
  );
  server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error) => {
    if (error !== null) throw error;
  });
}

function load(target: string, durationMs: number, streams: number): void {
  const client = new Client(target, credentials.createInsecure());
  const message = Buffer.alloc(MESSAGE_BYTES, 'x');
  const latencies = new LatencyHistogram();
  const startedMs = performance.now();
  let requests = 0;
  let failures = 0;
  let over = false;
  for (let i = 0; i < streams; i++) {
    const call = client.makeBidiStreamRequest(PATH, raw, raw);
    const sentMs: number[] = [];
    const send = (): void => {
      sentMs.push(performance.now());
      call.write(message);
    };
    call.on('data', () => {
      latencies.record((performance.now() - sentMs.shift()!) * 1_000);
      requests++;
      if (!over) send();
    });
    call.on('error', () => {
      if (!over) failures++;
    });
    for (let k = 0; k < WINDOW; k++) send();
  }
  setTimeout(() => {
    over = true;
    const result: LoadResult = {
      requests,
      elapsedMs: performance.now() - startedMs,
      failures,
      p50Us: latencies.quantileUs(0.5),
      p99Us: latencies.quantileUs(0.99),
    };
    process.stdout.write(JSON.stringify(result), () => process.exit(0));
  }, durationMs);
}

const [part, target = '', durationMs, streams] = process.argv.slice(2);
if (part === 'serve') serve(target);
else load(target, Number(durationMs), Number(streams));
