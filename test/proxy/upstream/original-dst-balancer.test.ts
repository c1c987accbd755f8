// OriginalDstBalancer: where the host comes from, the limit on hosts, the sweep.
import t from 'tap';

import { headerName } from '../../../proxy/http/headers.ts';
import { RequestHeaders } from '../../../proxy/http/header-map.ts';
import type { Host } from '../../../proxy/upstream/host.ts';
import type { LoadBalancerContext } from '../../../proxy/upstream/load-balancer.ts';
import { OriginalDstBalancer } from '../../../proxy/upstream/original-dst-balancer.ts';
import type { OriginalDstConfig } from '../../../proxy/config/cluster-config.ts';
import { DynamicMetadata } from '../../../proxy/stream-info/dynamic-metadata.ts';
import type { MetadataValue } from '../../../proxy/stream-info/dynamic-metadata.ts';
import { streamInfo } from '../../support/route-samples.ts';

const config: OriginalDstConfig = {
  useHttpHeader: false,
  httpHeaderName: 'x-envoy-original-dst-host',
  upstreamPortOverride: undefined,
  cleanupIntervalMs: 5000,
};

function context(
  ip: string,
  port: number,
  settings: { restored?: boolean; header?: string; metadata?: MetadataValue } = {},
): LoadBalancerContext {
  const requestHeaders = new RequestHeaders();
  if (settings.header !== undefined)
    requestHeaders.push(headerName('x-envoy-original-dst-host'), settings.header);
  const connection = streamInfo().connection;
  const dynamicMetadata = new DynamicMetadata();
  if (settings.metadata !== undefined)
    dynamicMetadata.set('ns', 'a', new Map([['b', settings.metadata]]));
  return {
    dynamicMetadata,
    hashKey: () => undefined,
    downstreamConnection: {
      ...connection,
      localIp: ip,
      localPort: port,
      localAddressRestored: settings.restored ?? true,
    },
    requestHeaders,
    shouldSelectAnotherHost: () => false,
    hostSelectionRetryCount: 0,
  };
}

class Owner {
  invalid = 0;
  readonly used = new Set<Host>();
  readonly added: string[] = [];
  readonly removed: string[] = [];
  onInvalidHost(): void {
    this.invalid++;
  }
  onHostAdded(host: Host): void {
    this.added.push(host.addressText);
  }
  inUse(host: Host): boolean {
    return this.used.has(host);
  }
  onHostRemoved(host: Host): void {
    this.removed.push(host.addressText);
  }
}

t.test('OriginalDstBalancer', (t) => {
  t.test('takes the restored address, one host each', (t) => {
    const balancer = new OriginalDstBalancer(config, 'c', new Owner());
    const host = balancer.chooseHost(context('10.0.0.1', 80));
    t.equal(host?.addressText, '10.0.0.1:80');
    t.equal(balancer.chooseHost(context('10.0.0.1', 80)), host);
    t.equal(balancer.chooseHost(context('fd00::1', 80))?.addressText, '[fd00::1]:80');
    t.equal(balancer.chooseHost(context('10.0.0.1', 80, { restored: false })), null);
    t.equal(balancer.chooseHost(null), null);
    t.end();
  });

  const rows: readonly (readonly [header: string, host: string | null])[] = [
    ['1.2.3.4:8080', '1.2.3.4:8080'],
    ['[::1]:8080', '[::1]:8080'],
    ['1.2.3.4', null],
    ['1.2.3.4:', null],
    ['1.2.3.4:0', '1.2.3.4:0'],
    ['1.2.3.4:65536', null],
    ['1.2.3.4:99999999999', null],
    ['1.2.3.4:8o', null],
    ['1.2.3.4:+8', null],
    ['::1:80', null],
    ['host:80', null],
    ['[1.2.3.4:80', null],
    [':80', null],
    ['', null],
  ];
  // What is no address counts, and the next source is asked, as in Envoy.
  for (const [header, expected] of rows) {
    t.test(`header '${header}'`, (t) => {
      const owner = new Owner();
      const balancer = new OriginalDstBalancer({ ...config, useHttpHeader: true }, 'c', owner);
      t.equal(
        balancer.chooseHost(context('10.0.0.1', 80, { header }))?.addressText,
        expected ?? '10.0.0.1:80',
      );
      const unknown = context('10.0.0.1', 80, { header: 'x', restored: false });
      t.equal(new OriginalDstBalancer(config, 'c', owner).chooseHost(unknown), null);
      t.equal(owner.invalid, expected === null ? 1 : 0);
      t.end();
    });
  }

  const metadataRows: readonly (readonly [value: MetadataValue, expected: string, number])[] = [
    ['1.2.3.4:5', '1.2.3.4:5', 0],
    ['nonsense', '5.6.7.8:9', 1],
    [5, '5.6.7.8:9', 0],
  ];
  for (const [metadata, expected, invalid] of metadataRows) {
    t.test(`metadata ${String(metadata)}`, (t) => {
      const owner = new Owner();
      const settings = { ...config, useHttpHeader: true, metadataPath: ['ns', 'a', 'b'] };
      const balancer = new OriginalDstBalancer(settings, 'c', owner);
      const host = balancer.chooseHost(context('10.0.0.1', 80, { metadata, header: '5.6.7.8:9' }));
      t.equal(host?.addressText, expected);
      t.equal(host?.hostname, `c${expected}`);
      t.equal(owner.invalid, invalid);
      t.same(owner.added, [expected]);
      t.end();
    });
  }

  t.test('ignores the header unless told, overrides the port where told', (t) => {
    const plain = new OriginalDstBalancer(config, 'c', new Owner());
    t.equal(
      plain.chooseHost(context('10.0.0.1', 80, { header: '1.2.3.4:1' }))?.addressText,
      '10.0.0.1:80',
    );
    const override = new OriginalDstBalancer(
      { ...config, upstreamPortOverride: 99 },
      'c',
      new Owner(),
    );
    t.equal(override.chooseHost(context('10.0.0.1', 80))?.addressText, '10.0.0.1:99');
    t.end();
  });

  t.test('forgets hosts after a whole interval without use or connections', (t) => {
    const owner = new Owner();
    const balancer = new OriginalDstBalancer(config, 'c', owner);
    const idle = balancer.chooseHost(context('10.0.0.1', 80))!;
    const used = balancer.chooseHost(context('10.0.0.2', 80))!;
    owner.used.add(used);
    balancer.sweep();
    t.same(owner.removed, []);
    balancer.sweep();
    t.same(owner.removed, ['10.0.0.1:80']);
    t.ok(idle.removed);
    owner.used.clear();
    balancer.sweep();
    t.same([...balancer.hosts()], []);
    t.end();
  });

  t.test('holds no more hosts than its limit, and serves those it has', (t) => {
    const balancer = new OriginalDstBalancer(config, 'c', new Owner());
    let made = 0;
    for (let i = 0; i < 20_000; i++) {
      if (balancer.chooseHost(context(`10.1.${i >> 8}.${i & 255}`, 80)) !== null) made++;
    }
    t.equal(made, 16_384);
    t.not(balancer.chooseHost(context('10.1.0.0', 80)), null);
    balancer.sweep();
    balancer.sweep();
    t.not(balancer.chooseHost(context('10.9.9.9', 80)), null);
    t.end();
  });
  t.end();
});
