// Which names of the mesh a pod may use, and which of them are aliases (istio-contract §6.10).
import t from 'tap';
import { NameTable } from '../../../agent/dns/name-table.ts';
import type { NameTable_NameInfo } from '../../../xds-protos/gen/istio.networking.nds.v1.ts';

const kubernetes = (
  shortname: string,
  namespace: string,
  ...ips: string[]
): NameTable_NameInfo => ({
  ips,
  registry: 'Kubernetes',
  shortname,
  namespace,
});
const HOSTS = new Map<string, NameTable_NameInfo>([
  [
    'reviews.default.svc.cluster.local',
    kubernetes('reviews', 'default', '10.0.0.1', '2001:db8::1'),
  ],
  ['details.other.svc.cluster.local', kubernetes('details', 'other', '10.0.0.2')],
  [
    'api.example.com',
    { ips: ['240.240.0.1'], registry: 'External', shortname: 'api', namespace: 'default' },
  ],
  ['*.wild.example', { ips: ['240.240.0.2'], registry: 'External' }],
  ['Pod-0.Web.default.svc.cluster.local', { ips: ['10.0.0.9'], alt_hosts: ['pod-0.web.'] }],
  ['empty.example', { registry: 'External' }],
  ['odd.example', { ips: ['1:2:3:4:5:6:7:8:9', 'x:y', '::1%lo', '10.0.0.256', '', '2001:db8::2'] }],
  ['taken.example', { ips: ['10.0.0.3'] }],
  ['late.example', { ips: ['10.0.0.4'], alt_hosts: ['Taken.example.'] }],
]);
const table = new NameTable(HOSTS, {
  namespace: 'default',
  domain: 'svc.cluster.local',
  searchDomain: 'default.svc.cluster.local',
});

const rows: readonly [name: string, first: string | undefined, alias?: string][] = [
  ['reviews.default.svc.cluster.local', '10.0.0.1'],
  ['reviews.default.svc', '10.0.0.1'],
  ['reviews.default', '10.0.0.1'],
  ['reviews', '10.0.0.1'],
  ['details', undefined],
  ['details.other', '10.0.0.2'],
  ['details.other.svc', '10.0.0.2'],
  ['details.other.svc.cluster', undefined],
  ['details.other.default.svc.cluster.local', '10.0.0.2', 'details.other'],
  ['api.example.com', '240.240.0.1'],
  ['api', undefined],
  ['api.default', undefined],
  ['api.example.com.default.svc.cluster.local', '240.240.0.1', 'api.example.com'],
  ['a.wild.example', '240.240.0.2'],
  ['a.b.wild.example', '240.240.0.2'],
  ['wild.example', undefined],
  ['a.wild.example.default.svc.cluster.local', '240.240.0.2', 'a.wild.example'],
  ['pod-0.web', '10.0.0.9'],
  ['pod-0.web.default.svc.cluster.local', '10.0.0.9'],
  ['default.svc.cluster.local', undefined],
  ['taken.example', '10.0.0.3'],
  ['', undefined],
  ['__proto__', undefined],
];

t.test('NameTable', (t) => {
  for (const [name, first, alias] of rows) {
    const found = table.find(name);
    t.equal(found?.v4[0], first, name);
    t.equal(found?.alias, alias, `${name}: alias`);
  }
  t.strictSame(table.find('reviews')?.v6, ['2001:db8::1']);
  // What is no address could not be written into an answer.
  t.strictSame(table.find('odd.example'), { v4: [], v6: ['2001:db8::2'], alias: undefined });
  t.strictSame(table.find('empty.example'), { v4: [], v6: [], alias: undefined });
  t.end();
});
