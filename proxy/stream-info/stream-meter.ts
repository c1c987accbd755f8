// [w] StreamMeter: counts of one stream that only some logs ask for. Streams have one only where a log of theirs says so
// (`AccessLog.needsMeter`); codecs count into it when they were given one.

/** Bytes on one socket. Header bytes are those of header lines, without start line and blank line. */
export class WireCounts {
  received = 0;
  sent = 0;
  headerReceived = 0;
  headerSent = 0;
  /** Names and values of received heads. */
  decompressedReceived = 0;
}

export class StreamMeter {
  readonly downstream = new WireCounts();
  /** Of all attempts together, as Envoy counts. */
  readonly upstream = new WireCounts();
  /** Monotonic: when the last attempt asked for a connection, and got it. */
  attemptStartMs = NaN;
  poolReadyMs = NaN;
  /** How often a route was looked for, and how long that took together. */
  routeResolutions = 0;
  routeResolutionMs = 0;

  onRouteResolved(tookMs: number): void {
    this.routeResolutions++;
    this.routeResolutionMs += tookMs;
  }
}
