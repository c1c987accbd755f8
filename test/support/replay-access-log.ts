// [m] Lines of Istio's default access log, taken apart again.

export interface AccessLogLine {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly flags: string;
  readonly details: string;
  readonly userAgent: string;
  readonly upstreamHost: string;
  readonly cluster: string;
  readonly upstreamLocal: string;
  readonly downstreamLocal: string;
  readonly route: string;
}

const LINE =
  /^\[\S+\] "(\S+) (\S*) \S+" (\d+) (\S+) (\S+) \S+ "[^"]*" \d+ \d+ \d+ \S+ "[^"]*" "([^"]*)" "[^"]*" "[^"]*" "([^"]*)" (\S+) (\S+) (\S+) \S+ \S+ (\S+)$/;

/** Undefined for a line that is not one. */
export function parseAccessLogLine(text: string): AccessLogLine | undefined {
  const found = LINE.exec(text);
  if (found === null) return undefined;
  const [
    ,
    method,
    path,
    status,
    flags,
    details,
    userAgent,
    upstreamHost,
    cluster,
    upstreamLocal,
    downstreamLocal,
    route,
  ] = found as unknown as string[];
  return {
    method: method!,
    path: path!,
    status: Number(status),
    flags: flags!,
    details: details!,
    userAgent: userAgent!,
    upstreamHost: upstreamHost!,
    cluster: cluster!,
    upstreamLocal: upstreamLocal!,
    downstreamLocal: downstreamLocal!,
    route: route!,
  };
}
