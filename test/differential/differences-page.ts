// docs/differences.md, made of the rows that declare a difference: the page cannot say what no test asserts.
import { globSync } from 'node:fs';
import { join } from 'node:path';

import type { Row, Suite } from './row.ts';

export const PAGE = join(import.meta.dirname, '../../docs/differences.md');

/** In the order of their names; words choose files whose path holds one of them. */
export async function allSuites(words: readonly string[] = []): Promise<Suite[]> {
  const found: Suite[] = [];
  for (const path of globSync(join(import.meta.dirname, 'cases/*.test.ts')).toSorted()) {
    if (words.length > 0 && !words.some((word) => path.includes(word))) continue;
    const { suite } = (await import(path)) as { suite: Suite };
    found.push(suite);
  }
  return found;
}

const HEAD = `# Differences from Envoy

Where we answer otherwise than Envoy 1.40 **on purpose**. Everything else is meant to be the same, byte for byte; what is not is a bug.
This page is written by \`node_modules/.bin/node test/differential/write-differences.ts\` out of the rows of
[the differential suite](../test/differential/README.md), each of which plays both proxies and fails when the difference is gone.

Clients of HTTP/2 are compared frame by frame in \`test/integration/http2-beside-envoy.test.ts\`: a client that breaks a rule gets GOAWAY with the
reason where Envoy closes without a word, and the rows of its list \`declared\`. HTTP/3 is out of scope: istiod never asks a sidecar for it, and
a UDP listener is refused.
`;

/** What no row can show: both proxies are fed the same bytes, and give the same. */
const BEYOND = `## Beyond the suite

| what | Envoy | ours | because |
|---|---|---|---|
| \`mongo_proxy\`, \`mysql_proxy\`, \`postgres_proxy\`, \`zookeeper_proxy\`, \`kafka_broker\` | read what is said, count operations, some may delay or refuse them | accepted; the bytes pass as they are, counted by the \`tcp_proxy\` behind them | the mesh needs the connection, not the protocol; \`/outrigger/inert\` and the start name each |
| \`redis_proxy\`, \`thrift_proxy\` | route by command, key or method | a \`tcp_proxy\` to the cluster of the route that takes everything, with \`tcp.<stat_prefix>.*\` counters; without such a route the listener is refused | as above; what would go elsewhere must not go there unseen |
| listeners that share ports among workers | \`exact_balance\` holds a lock | counts of all workers are compared without one: they may differ by one or two for a moment | [ADR 11](adr/0011-handed-over-connections.md) |
| pipes, and \`enable_reuse_port: false\` | all workers accept from one socket | the first worker accepts, and hands connections to the one with the fewest | [ADR 11](adr/0011-handed-over-connections.md) |
| a cluster that changes, and whose endpoints are not sent again | warms until its \`initial_fetch_timeout\` is over (with \`0s\` for ever), then takes those it had | takes those it had at once | what it would wait for is there; sent again, they are taken as in Envoy |
| an update that changes filters, routes, policies, logs or limits of a listener or filter chain | drains it: answers end their connections, and what is left is cut when the drain time is over | the change comes under the living connections, nothing is cut; only another match, TLS, protocol, address or way to know peers drains | [ADR 15](adr/0015-updates-in-place.md) |
| a response with a resource that has an unknown field, under \`--reject-unknown-dynamic-fields\` | refuses all of the response | refuses that resource, takes the others | one bad resource is no reason to miss an update of another |
| state of the world: the time to live of one listener is over | every listener of the type goes | that one goes | the server said it of that one |
| clusters on demand by state of the world, beside CDS | asks for the name instead of all clusters | asks for all clusters and the name | the others would no longer be updated |
| XFCC: control bytes within a name of the certificate | as they are | percent-encoded | a header value that no HTTP parser need accept |
| connections before the first configuration | refused | those of \`--early-listeners\` wait, 1024 a worker at most and 15 s | the pod's first requests would fail |
`;

export function differencesPage(suites: readonly Suite[]): string {
  const sections = suites.flatMap(({ title, rows }) => {
    const differing = rows.filter((row) => row.differs !== undefined);
    return differing.length === 0 ? [] : [sectionOf(title, differing)];
  });
  return [HEAD, ...sections, BEYOND].join('\n');
}

function sectionOf(title: string, rows: readonly Row[]): string {
  const lines = rows.map(({ name, differs }) => {
    const { envoy, ours, reason } = differs!;
    return `| ${[name, envoy, ours, reason].map(cell).join(' | ')} |`;
  });
  return `## ${title}

| case | Envoy | ours | because |
|---|---|---|---|
${lines.join('\n')}
`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
