// [m] A control plane that answers the first request of each type with what a real istiod answered (test/fixtures/istiod).
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { statusCode } from '../../xds-protos/ads-stream.ts';
import type { AdsServerStream } from '../../xds-protos/ads-stream.ts';
import { decode } from '../../xds-protos/codec.ts';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
} from '../../xds-protos/gen/envoy.service.discovery.v3.ts';
import { AdsServer } from '../../xds-protos/services.ts';
import type { Teardowns } from './private-dir.ts';

const RECORDINGS = join(import.meta.dirname, '../fixtures/istiod');

function readFirstLoad(recording: string): Uint8Array[] {
  const dir = join(RECORDINGS, recording);
  return readdirSync(dir)
    .filter((name) => name.endsWith('.pb'))
    .sort()
    .map((name) => readFileSync(join(dir, name)));
}

function byType<T extends { type_url?: string | undefined }>(
  responses: readonly T[],
): Map<string, T> {
  const first = new Map<string, T>();
  for (const response of responses) {
    const typeUrl = response.type_url ?? '';
    if (!first.has(typeUrl)) first.set(typeUrl, response);
  }
  return first;
}

export const recordedDelta = (recording: string): Map<string, DeltaDiscoveryResponse> =>
  byType(
    readFirstLoad(recording).map((bytes) =>
      decode('envoy.service.discovery.v3.DeltaDiscoveryResponse', bytes),
    ),
  );

export const recordedSotw = (recording: string): Map<string, DiscoveryResponse> =>
  byType(
    readFirstLoad(recording).map((bytes) =>
      decode('envoy.service.discovery.v3.DiscoveryResponse', bytes),
    ),
  );

export interface RecordedControlPlane {
  readonly target: string;
  /** Per stream, oldest first. */
  readonly streams: readonly SeenStream[];
  close(): void;
}

export interface SeenStream {
  readonly headers: ReadonlyMap<string, string>;
  readonly requests: (DeltaDiscoveryRequest | DiscoveryRequest)[];
  readonly sendDelta: ((response: DeltaDiscoveryResponse) => void) | undefined;
  /** Ends it as a restarting istiod does. */
  end(): void;
  ended: boolean;
}

export interface RecordedInputs {
  readonly delta?: ReadonlyMap<string, DeltaDiscoveryResponse>;
  readonly sotw?: ReadonlyMap<string, DiscoveryResponse>;
  /** Default a free port. */
  readonly target?: string;
}

export async function startRecordedControlPlane(
  t: Teardowns,
  inputs: RecordedInputs,
): Promise<RecordedControlPlane> {
  const server = new AdsServer();
  const streams: SeenStream[] = [];
  function serve<Sent, Received extends DeltaDiscoveryRequest | DiscoveryRequest>(
    stream: AdsServerStream<Sent, Received>,
    answers: ReadonlyMap<string, Sent>,
    sendDelta: SeenStream['sendDelta'],
  ): void {
    const end = (): void => stream.end({ code: statusCode.unavailable, reason: 'istiod restarts' });
    const seen: SeenStream = {
      headers: stream.metadata,
      requests: [],
      sendDelta,
      end,
      ended: false,
    };
    streams.push(seen);
    const left = new Map(answers);
    stream.onMessage((request) => {
      seen.requests.push(request);
      const answer = left.get(request.type_url ?? '');
      if (answer === undefined) return;
      left.delete(request.type_url ?? '');
      stream.send(answer);
    });
    stream.onEnd(() => (seen.ended = true));
  }
  server.addHandlers({
    delta: (stream) =>
      serve(stream, inputs.delta ?? new Map(), (response) => void stream.send(response)),
    sotw: (stream) => serve(stream, inputs.sotw ?? new Map(), undefined),
  });
  const target = await server.listen(inputs.target ?? '127.0.0.1:0');
  let open = true;
  const close = (): void => {
    if (open) server.close();
    open = false;
  };
  t.teardown(close);
  return { target, streams, close };
}
