// ListenerAddresses: whoever stands for an address is found, whatever came and went before.
import t from 'tap';

import type { AddressConfig, ListenerConfig } from '../../../proxy/config/listener-config.ts';
import { ListenerAddresses } from '../../../proxy/listener-manager/listener-addresses.ts';
import { sampleListener } from '../../support/config-samples.ts';

interface Named {
  readonly config: ListenerConfig;
}

const ip = (address: string, port: number): AddressConfig => ({ kind: 'ip', address, port });

function at(name: string, ...addresses: readonly AddressConfig[]): Named {
  const [address, ...additionalAddresses] = addresses;
  return { config: { ...sampleListener(name, 0), address: address!, additionalAddresses } };
}

const nameOf = (found: Named | null): string | undefined => found?.config.name;

t.test('the address itself goes before all addresses of its port', (t) => {
  const addresses = new ListenerAddresses<Named>();
  addresses.add(at('all', ip('0.0.0.0', 80), ip('::', 80)));
  addresses.add(at('one', ip('10.0.0.1', 80)));
  t.equal(nameOf(addresses.find('10.0.0.1', 80)), 'one');
  t.equal(nameOf(addresses.find('10.0.0.2', 80)), 'all');
  t.equal(nameOf(addresses.find('fd00::1', 80)), 'all');
  t.equal(addresses.find('10.0.0.1', 81), null);
  t.end();
});

t.test('who came at the address of another is found when that is gone', (t) => {
  const addresses = new ListenerAddresses<Named>();
  const [first, second, third] = ['first', 'second', 'third'].map((name) =>
    at(name, ip('10.0.0.1', 80)),
  ) as [Named, Named, Named];
  for (const each of [first, second, third]) addresses.add(each);
  t.equal(nameOf(addresses.find('10.0.0.1', 80)), 'first');
  addresses.remove(second);
  addresses.remove(first);
  t.equal(nameOf(addresses.find('10.0.0.1', 80)), 'third');
  addresses.remove(third);
  t.equal(addresses.find('10.0.0.1', 80), null);
  t.end();
});

t.test('a successor stands where its predecessor stood', (t) => {
  const addresses = new ListenerAddresses<Named>();
  const [first, second] = [at('first', ip('::1', 80)), at('second', ip('::1', 80))];
  addresses.add(first);
  addresses.add(second);
  const next = at('next', ip('::1', 80));
  addresses.replace(first, next);
  addresses.remove(first);
  t.equal(nameOf(addresses.find('::1', 80)), 'next');
  const last = at('last', ip('::1', 80));
  addresses.replace(second, last);
  addresses.remove(next);
  t.equal(nameOf(addresses.find('::1', 80)), 'last');
  t.end();
});
