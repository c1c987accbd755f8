// Requests as rows write them.
import type { ClientStep } from './row.ts';

/** A GET to host `h`; a line of the head more each (a `host:` among them takes the place of `h`). */
export function get(path: string, ...lines: readonly string[]): string {
  const host = lines.some((line) => /^host:/i.test(line)) ? [] : ['host: h'];
  return [`GET ${path} HTTP/1.1`, ...host, ...lines, '', ''].join('\r\n');
}

/** One after the other on one connection. */
export const inTurn = (...requests: readonly string[]): readonly ClientStep[] =>
  requests.flatMap((request, i) => [request, { responses: i + 1 }]);
