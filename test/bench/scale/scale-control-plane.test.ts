// The generated mesh over delta ADS: first load, subscriptions by name, pushes; and that the resources are what the proxy's decoders take.
import t from 'tap';

import {
  RESOURCE_TYPES,
  clusterOf,
  clusterResource,
  endpointsResource,
  listenerResource,
  routesResource,
  strangers,
} from '../../../bench/scale/mesh-resources.ts';
import { ScaleControlPlane } from '../../../bench/scale/scale-control-plane.ts';
import { typeUrlOf, unpackAnyAs } from '../../../xds-protos/any.ts';
import type { DeltaDiscoveryResponse } from '../../../xds-protos/gen/envoy.service.discovery.v3.ts';
import { connectAds } from '../../../xds-protos/services.ts';

const SERVICES = 3;

t.test('ScaleControlPlane', async (t) => {
  const services = Array.from({ length: SERVICES }, (_, i) => i);
  const controlPlane = new ScaleControlPlane(
    new Map([
      [RESOURCE_TYPES.clusters, services.map(clusterResource)],
      [RESOURCE_TYPES.endpoints, services.map((i) => endpointsResource(i, strangers(i, 3)))],
      [RESOURCE_TYPES.routes, [routesResource(SERVICES)]],
      [RESOURCE_TYPES.listeners, [listenerResource(15_001)]],
    ]),
  );
  t.teardown(() => controlPlane.close());
  const connection = connectAds(`127.0.0.1:${await controlPlane.listen()}`);
  const stream = connection.delta();
  t.teardown(() => {
    stream.cancel();
    connection.close();
  });
  const waiting: ((response: DeltaDiscoveryResponse) => void)[] = [];
  stream.onMessage((response) => waiting.shift()?.(response));
  const next = (): Promise<DeltaDiscoveryResponse> =>
    new Promise((resolve) => waiting.push(resolve));
  const namesOf = (response: DeltaDiscoveryResponse): string[] =>
    (response.resources ?? []).map(({ name }) => name ?? '');

  await t.test('answers a wildcard with all, once', async (t) => {
    const first = next();
    stream.send({ type_url: typeUrlOf(RESOURCE_TYPES.clusters) });
    const response = await first;
    t.same(namesOf(response), services.map(clusterOf));
    // An acknowledgement is not answered: the next message is the one asked for below.
    stream.send({
      type_url: typeUrlOf(RESOURCE_TYPES.clusters),
      response_nonce: response.nonce,
    });
  });

  await t.test('answers names with those', async (t) => {
    const second = next();
    stream.send({
      type_url: typeUrlOf(RESOURCE_TYPES.endpoints),
      resource_names_subscribe: [clusterOf(2), 'nobody'],
    });
    t.same(namesOf(await second), [clusterOf(2)]);
  });

  await t.test('pushes what changes, and notes what is refused', async (t) => {
    const pushed = next();
    const addresses = [{ address: '127.0.0.1', port: 7 }];
    controlPlane.push(RESOURCE_TYPES.endpoints, endpointsResource(2, addresses));
    const response = await pushed;
    const assignment = unpackAnyAs(RESOURCE_TYPES.endpoints, response.resources?.[0]?.resource);
    t.equal(assignment?.endpoints?.[0]?.lb_endpoints?.length, 1);
    stream.send({
      type_url: response.type_url,
      response_nonce: response.nonce,
      error_detail: { code: 13, message: 'no' },
    });
    const after = next();
    stream.send({
      type_url: typeUrlOf(RESOURCE_TYPES.routes),
      resource_names_subscribe: ['bench'],
    });
    await after;
    t.same(controlPlane.nacks, [`${RESOURCE_TYPES.endpoints}: no`]);
  });
});
