// Which transport socket a host gets: by its own labels, then by its locality's, else the cluster's.
import t from 'tap';

import type { TransportSocketConfig } from '../../../proxy/config/transport-socket-config.ts';
import { Host } from '../../../proxy/upstream/host.ts';
import {
  sameSocketLabels,
  transportSocketFor,
} from '../../../proxy/upstream/transport-socket-choice.ts';
import { sampleCluster, sampleEndpoint } from '../../support/config-samples.ts';

const sockets = new Map(
  ['own', 'mtls', 'other', 'any'].map((name): [string, TransportSocketConfig] => [
    name,
    { kind: 'raw_buffer' },
  ]),
);
const labels = (text: string): ReadonlyMap<string, string> =>
  new Map(text === '' ? [] : text.split(' ').map((each) => each.split('=') as [string, string]));

const rows: readonly (readonly [
  name: string,
  matches: readonly (readonly [socket: string, match: string])[],
  endpoint: string,
  locality: string | undefined,
  chosen: string,
])[] = [
  ['no matches', [], 'a=1', undefined, 'own'],
  ['the endpoint has the label', [['mtls', 'a=1']], 'a=1 b=2', undefined, 'mtls'],
  ['it has another value', [['mtls', 'a=1']], 'a=2', undefined, 'own'],
  ['it has one of two', [['mtls', 'a=1 b=1']], 'a=1', undefined, 'own'],
  [
    'the first that fits',
    [
      ['mtls', 'a=1'],
      ['other', 'b=2'],
    ],
    'b=2 a=1',
    undefined,
    'mtls',
  ],
  [
    'an empty match fits all',
    [
      ['mtls', 'a=1'],
      ['any', ''],
    ],
    '',
    undefined,
    'any',
  ],
  ['the locality has the label', [['mtls', 'a=1']], '', 'a=1', 'mtls'],
  [
    "the endpoint's label goes first",
    [
      ['mtls', 'a=1'],
      ['other', 'b=2'],
    ],
    'b=2',
    'a=1',
    'other',
  ],
  ['labels of both are not added up', [['mtls', 'a=1 b=2']], 'a=1', 'b=2', 'own'],
];

t.test('transportSocketFor', (t) => {
  for (const [name, matches, endpoint, locality, chosen] of rows) {
    const config = sampleCluster('c', {
      transportSocket: sockets.get('own')!,
      transportSocketMatches: matches.map(([socket, match]) => ({
        name: socket,
        match: labels(match),
        transportSocket: sockets.get(socket)!,
      })),
    });
    const host = new Host(
      sampleEndpoint('10.0.0.1', 80, {
        transportSocketMatch: labels(endpoint),
        ...(locality !== undefined && { localitySocketMatch: labels(locality) }),
      }),
      0,
    );
    t.equal(transportSocketFor(config, host), sockets.get(chosen), name);
  }
  t.end();
});

t.test('sameSocketLabels', (t) => {
  const of = (own: string, locality?: string) =>
    sampleEndpoint('10.0.0.1', 80, {
      transportSocketMatch: labels(own),
      ...(locality !== undefined && { localitySocketMatch: labels(locality) }),
    });
  t.ok(sameSocketLabels(of('a=1'), of('a=1')));
  t.notOk(sameSocketLabels(of('a=1'), of('a=2')));
  t.notOk(sameSocketLabels(of('a=1'), of('a=1 b=1')));
  t.notOk(sameSocketLabels(of('a=1'), of('a=1', 'b=1')));
  t.end();
});
