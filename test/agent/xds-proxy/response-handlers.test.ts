// [m] What the agent keeps for itself: roots of the mesh from istiod.
import t from 'tap';

import {
  PROXY_CONFIG_TYPE_URL,
  TrustBundleHandler,
} from '../../../agent/xds-proxy/response-handlers.ts';
import { packAny } from '../../../xds-protos/any.ts';

t.test('TrustBundleHandler', (t) => {
  const bundles: (readonly string[])[] = [];
  const handler = new TrustBundleHandler((pems) => bundles.push(pems));
  t.equal(handler.typeUrl, PROXY_CONFIG_TYPE_URL);
  const config = (...pems: string[]) =>
    packAny('istio.mesh.v1alpha1.ProxyConfig', { ca_certificates_pem: pems });
  t.equal(handler.accept([config('a', 'b'), config('c')]), undefined);
  t.equal(handler.accept([]), undefined);
  t.same(bundles, [['a', 'b', 'c'], []]);
  const broken = { type_url: PROXY_CONFIG_TYPE_URL, value: new Uint8Array([0x92, 0x02, 0xff]) };
  t.type(handler.accept([broken]), 'string', 'bytes that are none are refused');
  t.equal(bundles.length, 2, 'and what was there stays');
  t.end();
});
