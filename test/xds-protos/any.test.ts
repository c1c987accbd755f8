// any.ts: packing, unpacking, and the TypedStructs that istiod writes its own filters' configurations into.
import t from 'tap';
import {
  isMessageName,
  packAny,
  typedStructOf,
  typeNameOf,
  typeNameOfUrl,
  unpackAny,
  unpackAnyAs,
} from '../../xds-protos/any.ts';
import { decode } from '../../xds-protos/codec.ts';
import { ProtoError } from '../../xds-protos/proto-error.ts';
import { fromJson } from '../../xds-protos/proto-json.ts';
import { recordingBytes } from './recordings.ts';

const router = 'envoy.extensions.filters.http.router.v3.Router';

t.test('Any', (t) => {
  t.test('packs and unpacks', (t) => {
    const any = packAny(router, { dynamic_stats: false });
    t.equal(any.type_url, `type.googleapis.com/${router}`);
    t.strictSame(unpackAny(any), { type: router, message: { dynamic_stats: false } });
    t.strictSame(unpackAnyAs(router, any), { dynamic_stats: false });
    t.equal(unpackAnyAs('google.protobuf.Empty', any), undefined);
    t.equal(unpackAnyAs(router, undefined), undefined);
    t.end();
  });

  t.test('names its type whatever stands before the last slash', (t) => {
    for (const url of ['a.B', '/a.B', 'type.googleapis.com/a.B', 'x/y/a.B']) {
      t.equal(typeNameOf({ type_url: url, value: new Uint8Array() }), 'a.B');
      t.equal(typeNameOfUrl(url), 'a.B');
    }
    t.end();
  });

  t.test('of an unknown type is undefined', (t) => {
    for (const url of ['', '/', 'a/b.C', 'a/__proto__', 'a/constructor', `a/${router}/`]) {
      t.equal(unpackAny({ type_url: url, value: new Uint8Array() }), undefined, url);
      t.equal(isMessageName(typeNameOfUrl(url)), false);
    }
    t.end();
  });

  t.test('with malformed content throws a ProtoError that names the type', (t) => {
    const any = { type_url: `a/${router}`, value: new Uint8Array([0x0a]) };
    t.throws(() => unpackAny(any), ProtoError);
    t.throws(() => unpackAny(any), { message: `${router}: dynamic_stats: ends inside a number` });
    t.end();
  });
  t.end();
});

t.test('TypedStruct', (t) => {
  t.test('of a recorded listener holds a configuration that reads as its type', (t) => {
    const response = decode(
      'envoy.service.discovery.v3.DeltaDiscoveryResponse',
      recordingBytes('01-bookinfo/productpage/03-lds.pb'),
    );
    const inbound = (response.resources ?? []).find(({ name }) => name === 'virtualInbound');
    const listener = unpackAnyAs('envoy.config.listener.v3.Listener', inbound?.resource);
    const filters = (listener?.filter_chains ?? []).flatMap((chain) => chain.filters ?? []);
    const config = filters.find(({ name }) => name === 'istio.metadata_exchange')?.typed_config;
    if (config === undefined) throw new Error('no metadata exchange filter');
    const struct = typedStructOf(config);
    const type = 'envoy.tcp.metadataexchange.config.MetadataExchange';
    t.equal(struct?.typeUrl, `type.googleapis.com/${type}`);
    t.strictSame(fromJson(type, struct?.value), {
      protocol: 'istio-peer-exchange',
      enable_discovery: true,
    });
    t.end();
  });

  t.test('of xds and udpa are alike, and anything else is none', (t) => {
    for (const type of ['udpa.type.v1.TypedStruct', 'xds.type.v3.TypedStruct'] as const) {
      t.strictSame(typedStructOf(packAny(type, { type_url: 'a/b' }))?.typeUrl, 'a/b');
    }
    t.equal(typedStructOf(packAny(router, {})), undefined);
    t.end();
  });
  t.end();
});
