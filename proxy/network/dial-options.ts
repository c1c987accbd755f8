// [w] How connections of one cluster are dialled: from where, with what on their sockets. Worked out once, not for each of them.
import type {
  HappyEyeballsConfig,
  SocketOptionConfig,
  TcpKeepaliveConfig,
  UpstreamBindConfig,
} from '../config/socket-config.ts';
import type { UpstreamSource } from '../stream-info/proxy-facts.ts';
import {
  freebindOption,
  keepaliveOptions,
  latePortOption,
  markOption,
  ofFamily,
  transparentOption,
} from './socket-options.ts';
import type { UpstreamTransport } from './upstream-transport.ts';

/** For one family. */
export interface FamilyDialling {
  /** Null: the kernel's choice. */
  readonly source: { readonly address: string; readonly port: number } | null;
  readonly socketOptions: readonly SocketOptionConfig[];
  /** Those that may be left out where the kernel does not know them. */
  readonly niceToHave: readonly SocketOptionConfig[];
}

export interface DialOptions {
  readonly v4: FamilyDialling;
  readonly v6: FamilyDialling;
  /** Null: plain. */
  readonly transport: UpstreamTransport | null;
  readonly happyEyeballs: HappyEyeballsConfig;
}

const NO_OPTIONS: readonly SocketOptionConfig[] = [];
const PLAIN: FamilyDialling = { source: null, socketOptions: NO_OPTIONS, niceToHave: NO_OPTIONS };
const DEFAULT_HAPPY_EYEBALLS: HappyEyeballsConfig = { firstFamily: 'DEFAULT', firstFamilyCount: 1 };

export const PLAIN_DIAL: DialOptions = {
  v4: PLAIN,
  v6: PLAIN,
  transport: null,
  happyEyeballs: DEFAULT_HAPPY_EYEBALLS,
};

export function dialOptions(parts: {
  readonly bind: UpstreamBindConfig | undefined;
  readonly keepalive: TcpKeepaliveConfig | undefined;
  readonly happyEyeballs: HappyEyeballsConfig | undefined;
}): DialOptions {
  const { bind, keepalive, happyEyeballs } = parts;
  if (bind === undefined && keepalive === undefined && happyEyeballs === undefined)
    return PLAIN_DIAL;
  return {
    v4: familyDialling(false, bind, keepalive),
    v6: familyDialling(true, bind, keepalive),
    transport: null,
    happyEyeballs: happyEyeballs ?? DEFAULT_HAPPY_EYEBALLS,
  };
}

/** From an address that need not be ours (original_src); other families are dialled as they were. */
export function dialledFrom(options: DialOptions, { ip, mark }: UpstreamSource): DialOptions {
  const v6 = ip.includes(':');
  const before = v6 ? options.v6 : options.v4;
  const family: FamilyDialling = {
    source: { address: ip, port: 0 },
    socketOptions: [
      ...before.socketOptions,
      transparentOption(v6),
      ...(mark === 0 ? [] : [markOption(mark)]),
    ],
    niceToHave: [latePortOption],
  };
  return v6 ? { ...options, v6: family } : { ...options, v4: family };
}

function familyDialling(
  v6: boolean,
  bind: UpstreamBindConfig | undefined,
  keepalive: TcpKeepaliveConfig | undefined,
): FamilyDialling {
  const alive = keepalive === undefined ? [] : keepaliveOptions(keepalive);
  if (bind === undefined) return { source: null, socketOptions: alive, niceToHave: NO_OPTIONS };
  // As Envoy: where none fits, the first one, and binding to it fails.
  const fits = bind.sources.find(({ address }) => address.includes(':') === v6);
  const source = fits ?? bind.sources[0] ?? null;
  const freebind = bind.freebind ? [freebindOption(v6)] : [];
  const own = source?.socketOptions ?? bind.socketOptions;
  return {
    source,
    socketOptions: [...freebind, ...alive, ...ofFamily(own, v6)],
    niceToHave: source !== null && source.port === 0 ? [latePortOption] : NO_OPTIONS,
  };
}
