// What one run of a case showed, in a form in which two runs can be compared: dates, ids, ports and times are masked.
import { joinChunks, seenResponses } from './http-bytes.ts';
import type { ScriptedClient, ScriptedUpstream, Watched } from './peers.ts';
import type { Facet, Row } from './row.ts';

export interface Observation {
  /** One entry a connection: the bytes and the end. */
  readonly client: readonly string[];
  /** `host: ` and the same, by host in the row's order, then in the order of their connections. */
  readonly upstream: readonly string[];
  readonly statuses: readonly number[];
  /** The step that never came true. */
  readonly stuckAt: string | undefined;
  log: readonly string[];
  stats: readonly string[];
}

export const FACETS: readonly Facet[] = ['client', 'upstream', 'log', 'stats'];

const UUID = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g;

export type Normalise = (text: string) => string;

interface Names {
  readonly id: string;
  readonly row: Row;
  readonly listenerPort: number;
}

/** `ports`: those of the peers, by what they are called. */
export function normaliser(
  { id, row, listenerPort }: Names,
  client: ScriptedClient,
  upstreams: ReadonlyMap<string, ScriptedUpstream>,
): Normalise {
  const ports = new Map<string, string>([[String(listenerPort), 'LISTENER_PORT']]);
  for (const [host, upstream] of upstreams) {
    ports.set(String(upstream.port), `PORT(${host})`);
    for (const { remotePort } of upstream.connections) ports.set(String(remotePort), 'LOCAL_PORT');
  }
  for (const port of client.localPorts) ports.set(String(port), 'CLIENT_PORT');
  const numbers = new RegExp(`\\b(?:${[...ports.keys()].join('|')})\\b`, 'g');
  return (text) => {
    let out = text
      .replaceAll(id, 'CASE')
      .replace(numbers, (port) => ports.get(port)!)
      .replace(/^(date: )[A-Z][^\r\n]*/gim, '$1DATE')
      .replace(/^(x-envoy-upstream-service-time: )\d+/gim, '$1TIME')
      // What is left of a time-out at a second try, rounded up.
      .replace(/^(x-envoy-expected-rq-timeout-ms: )(\d+)/gim, (_, name: string, text: string) => {
        const step = Number(text) > 1000 ? 1000 : 100;
        return name + Math.ceil(Number(text) / step) * step;
      })
      .replace(UUID, 'UUID');
    for (const [pattern, by] of row.mask ?? []) out = out.replace(pattern, by);
    return out;
  };
}

function connection({ peer }: Watched, row: Row, normalise: Normalise): string {
  const text = row.exactChunks === true ? peer.text : joinChunks(peer.text);
  return `${normalise(text)}<${peer.ending}>`;
}

export function observe(
  row: Row,
  client: ScriptedClient,
  upstreams: ReadonlyMap<string, ScriptedUpstream>,
  normalise: Normalise,
): Observation {
  const upstream: string[] = [];
  for (const [host, { custom, notes, connections }] of upstreams) {
    if (custom) upstream.push(...notes.map((note) => `${host}: ${normalise(note)}`));
    else
      upstream.push(...connections.map((each) => `${host}: ${connection(each, row, normalise)}`));
  }
  return {
    client: client.connections.map((each) => connection(each, row, normalise)),
    upstream,
    statuses: client.connections.flatMap(
      ({ peer, sent }) => seenResponses(peer.text, sent, true).statuses,
    ),
    stuckAt: client.stuckAt,
    log: [],
    stats: [],
  };
}

export const same = (a: Observation, b: Observation, facet: Facet): boolean =>
  JSON.stringify(a[facet]) === JSON.stringify(b[facet]);

/** For people: one line of wire text a line, control bytes visible. */
export function printable(observation: Observation, facets = FACETS): string {
  const part = (facet: Facet): string => {
    const entries = observation[facet].map((entry) =>
      entry
        .replace(
          /[^\x20-\x7e\r\n]/g,
          (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
        )
        .replace(/\r\n/g, '\\r\\n\n')
        .replace(/\r(?!\n)/g, '\\r')
        .split('\n')
        .map((line) => `    ${line}`)
        .join('\n'),
    );
    return [`  ${facet}:`, ...entries].join('\n');
  };
  return facets.map(part).join('\n');
}
