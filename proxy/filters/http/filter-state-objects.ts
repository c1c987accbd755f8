// [w] Objects of filter state, made of text as Envoy's object factories make them (`filter_state.object`).
import { jsonString } from '../../access-log/log-text.ts';
import type { FilterStateFactory } from '../../config/metadata-filter-config.ts';
import { parseIp, parseIpPort, printAddress, printIp } from '../../network/address.ts';
import type { FilterStateObject } from '../../stream-info/filter-state.ts';

const MAX_UINT32 = 0xffff_ffffn;
const MAX_UINT64 = 0xffff_ffff_ffff_ffffn;

/** Null: the text is none of that kind. */
export function filterStateObject(
  factory: FilterStateFactory,
  text: string,
): FilterStateObject | null {
  switch (factory) {
    case 'envoy.string':
    case 'envoy.upstream.dynamic_host':
      return { text, json: jsonString(text) };
    case 'envoy.hashable_string':
      return { text, json: jsonString(text), hashable: true };
    case 'envoy.tcp_proxy.cluster':
    case 'envoy.network.upstream_server_name':
      return { text };
    case 'envoy.network.upstream_subject_alt_names':
      return { text, list: text.split(',') };
    case 'envoy.network.application_protocols':
      return { text: null, list: text.split(',') };
    case 'envoy.bool':
      return bool(text);
    case 'envoy.tcp_proxy.disable_tunneling':
      return text === 'true' ? TRUE : FALSE;
    case 'envoy.ratelimit.hits_addend':
    case 'envoy.upstream.dynamic_port':
      return uint32(text);
    case 'envoy.tcp_proxy.per_connection_idle_timeout_ms':
      return uint64(text);
    case 'envoy.network.ip':
      return ip(text);
    default:
      return address(text);
  }
}

const TRUE: FilterStateObject = { text: 'true', json: 'true' };
const FALSE: FilterStateObject = { text: 'false', json: 'false' };

/** As absl's SimpleAtob. */
function bool(text: string): FilterStateObject | null {
  const word = text.toLowerCase();
  if (['true', 't', 'yes', 'y', '1'].includes(word)) return TRUE;
  return ['false', 'f', 'no', 'n', '0'].includes(word) ? FALSE : null;
}

function uint32(text: string): FilterStateObject | null {
  const value = unsigned(text, MAX_UINT32);
  return value === null ? null : { text: value, json: value };
}

/** In JSON a string, as protobuf has it. */
function uint64(text: string): FilterStateObject | null {
  const value = unsigned(text, MAX_UINT64);
  return value === null ? null : { text: value, json: `"${value}"` };
}

const DIGITS = /^[ \t\n\v\f\r]*\+?([0-9]{1,64})[ \t\n\v\f\r]*$/;

/** As absl's SimpleAtoi, printed again. */
function unsigned(text: string, max: bigint): string | null {
  const digits = DIGITS.exec(text)?.[1];
  if (digits === undefined) return null;
  const value = BigInt(digits);
  return value <= max ? value.toString() : null;
}

function ip(text: string): FilterStateObject | null {
  const bytes = parseIp(text);
  if (bytes === null) return null;
  const printed = printIp(bytes);
  return { text: printAddress(printed, 0), hashable: true, ip: printed };
}

function address(text: string): FilterStateObject | null {
  const parsed = parseIpPort(text);
  if (parsed === null) return null;
  const printed = printIp(parseIp(parsed.ip)!);
  const fields = new Map<string, string | number>([
    ['ip', printed],
    ['port', parsed.port],
  ]);
  return { text: printAddress(printed, parsed.port), fields, hashable: true, ip: printed };
}
