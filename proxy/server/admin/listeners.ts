// [m] /listeners: text and JSON (envoy-behaviour §12.2); addresses as bound, with real ports.
import { toJson } from '../../../xds-protos/proto-json.ts';
import type { ListenerStatus } from '../../../xds-protos/gen/envoy.admin.v3.ts';
import type { AddressConfig } from '../../config/listener-config.ts';
import { addressText } from '../../upstream/host.ts';
import type { AdminContext, ListenerReport } from '../admin-context.ts';
import { addressMessage } from './address-message.ts';
import { jsonResponse, textResponse } from './admin-endpoint.ts';
import type { AdminResponse } from './admin-endpoint.ts';
import type { AdminQuery } from './admin-query.ts';

export function handleListeners(context: AdminContext, query: AdminQuery): AdminResponse {
  const listeners = context.listeners();
  if (query.get('format') !== 'json') return textResponse(listeners.map(listenerText).join(''));
  return jsonResponse(
    toJson('envoy.admin.v3.Listeners', { listener_statuses: listeners.map(listenerMessage) }),
  );
}

/** A listener that binds no port still has its address: connections are handed over to it. */
function addressesOf({ config, boundAddresses }: ListenerReport): readonly AddressConfig[] {
  return boundAddresses.length > 0
    ? boundAddresses
    : [config.address, ...config.additionalAddresses];
}

const listenerText = (listener: ListenerReport): string =>
  addressesOf(listener)
    .map((address) => `${listener.config.name}::${addressText(address)}\n`)
    .join('');

function listenerMessage(listener: ListenerReport): ListenerStatus {
  const [local, ...additional] = addressesOf(listener).map(addressMessage);
  return {
    name: listener.config.name,
    local_address: local,
    ...(additional.length > 0 ? { additional_local_addresses: additional } : {}),
  };
}
