// [m] Addresses for hosts without one: istiod's choice, no address twice, none for who must not have one.
import { isIPv6 } from 'node:net';
import t from 'tap';

import { allocateAddresses } from '../../../agent/control-plane/auto-addresses.ts';
import type { Service } from '../../../agent/control-plane/istio-model.ts';
import { configOf } from './recording.ts';

function services(...specs: readonly string[]): Service[] {
  const yaml = specs.map(
    (spec, index) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: s${index}, namespace: default}
spec: {ports: [{number: 80, name: http}], ${spec}}
`,
  );
  const { items, problems } = configOf({ 'a.yaml': yaml.join('---') });
  if (problems.length > 0) throw new Error(problems[0]!.message);
  return items.flatMap((item) => (item.type === 'service' ? item.value : []));
}

t.test('allocateAddresses', async (t) => {
  const wanting = services(
    'hosts: [api.example.org], resolution: DNS',
    'hosts: ["*.example.org"], resolution: NONE',
    'hosts: [original.example.org], resolution: NONE',
    'hosts: [placed.example.org], resolution: DNS, addresses: [192.0.2.1]',
  );
  t.strictSame(
    [...allocateAddresses(wanting)],
    [['api.example.org', { v4: '240.240.9.163', v6: '2001:2::f0f0:9a3' }]],
  );

  const [model] = services('hosts: [x.example.org], resolution: DNS');
  // A third of all slots: there are collisions.
  const many = Array.from({ length: 20_000 }, (_, i) => ({ ...model!, host: `h${i}.example.org` }));
  const addresses = [...allocateAddresses(many).values()];
  t.equal(new Set(addresses.map(({ v4 }) => v4)).size, many.length);
  t.equal(new Set(addresses.map(({ v6 }) => v6)).size, many.length);
  t.strictSame(
    addresses.filter(({ v4, v6 }) => /\.(?:0|255)$/.test(v4) || !isIPv6(v6)),
    [],
  );

  const of = (...hosts: string[]): ReadonlyMap<string, { readonly v4: string }> =>
    allocateAddresses(hosts.map((host) => ({ ...model!, host: `${host}.example.org` })));
  // The steps of a55939 lead back and forth between the places of the two others, until the sum of 32 bits runs over.
  t.equal(of('b37435', 'c17092', 'a55939').size, 3);
  t.match(of('x61853', 'y728485').get('y728485.example.org'), { v4: '240.240.193.216' });
});
