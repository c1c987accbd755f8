// [w] Commands that print moments and durations (envoy-behaviour §11.1).
import { realTime } from '../base/clock.ts';
import { bare, getter } from './field.ts';
import { formatError } from './format-command.ts';
import { byteText } from '../base/byte-text.ts';
import { compileTimeFormat } from './time-format.ts';
import type { CommandTable, CompiledField, Field } from './field.ts';
import type { FormatCommand } from './format-command.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';

/** A point in time on the monotonic clock; NaN where it never came. */
type Moment = (info: StreamInfo) => number;

/** Whole milliseconds between two moments; null when one never came. */
const duration =
  (from: Moment, to: Moment): Field =>
  ({ info }) => {
    const ms = Math.floor(to(info) - from(info));
    return Number.isNaN(ms) ? null : ms;
  };

const start: Moment = (info) => info.startMs;
/** Of a stream that is not over: now. */
const end: Moment = (info) => (Number.isNaN(info.endMs) ? realTime.monotonicMs() : info.endMs);
/** Of an answer that was given whole. */
const lastSent: Moment = (info) => (info.responseEnded ? info.endMs : NaN);
const firstReceived: Moment = (info) => info.upstreamFirstByteReceivedMs;

const emitWallMs = (info: StreamInfo): number => info.startWallMs + (end(info) - info.startMs);

const FIELDS: Readonly<Record<string, Field>> = {
  DURATION: duration(start, end),
  REQUEST_DURATION: duration(start, (info) => info.requestCompleteMs),
  REQUEST_TX_DURATION: duration(start, (info) => info.upstreamLastByteSentMs),
  RESPONSE_DURATION: duration(start, firstReceived),
  RESPONSE_TX_DURATION: duration(firstReceived, lastSent),
  DOWNSTREAM_HANDSHAKE_DURATION: duration(
    start,
    (info) => info.connection.tlsFacts?.handshakeEndMs ?? NaN,
  ),
  ROUNDTRIP_DURATION: () => null,
};

const poolReady: CompiledField = {
  kind: 'getter',
  get: ({ info }) => {
    const { meter, upstreamConnection } = info;
    if (info.host === null) return null;
    if (meter === null || upstreamConnection === null || Number.isNaN(meter.poolReadyMs)) return 0;
    return Math.floor(meter.poolReadyMs - meter.attemptStartMs);
  },
  needsMeter: true,
};

/** Points of COMMON_DURATION; DS is the client's side, US the upstream's. TCP sessions have none of HTTP's points. */
const POINTS = new Map<string, Moment>([
  ['DS_RX_BEG', (info) => (info.protocol === '' ? NaN : info.startMs)],
  ['DS_RX_END', (info) => info.requestCompleteMs],
  ['US_CX_BEG', (info) => info.upstreamConnection?.connectStartMs ?? NaN],
  ['US_CX_END', (info) => info.upstreamConnection?.connectEndMs ?? NaN],
  ['US_HS_END', (info) => info.upstreamConnection?.tls?.handshakeEndMs ?? NaN],
  ['US_TX_BEG', (info) => info.upstreamFirstByteSentMs],
  ['US_TX_END', (info) => info.upstreamLastByteSentMs],
  ['US_RX_BEG', firstReceived],
  ['US_RX_END', (info) => info.upstreamLastByteReceivedMs],
  ['DS_TX_BEG', (info) => info.downstreamFirstByteSentMs],
  ['DS_TX_END', lastSent],
]);

const UNITS = new Map([
  ['ms', 1],
  ['us', 1000],
  ['ns', 1_000_000],
]);

function compileCommonDuration({ args = '' }: FormatCommand): CompiledField {
  const [from = '', to = '', precision = 'ms', ...more] = args.split(':');
  if (!args.includes(':') || more.length > 0)
    throw formatError(`Invalid common duration configuration: ${args}.`);
  const perMs = UNITS.get(precision);
  if (perMs === undefined) throw formatError(`Invalid common duration precision: ${precision}.`);
  // Other names are points that filters of other builds set: known, and never there.
  const begin = POINTS.get(from);
  const finish = POINTS.get(to);
  if (begin === undefined || finish === undefined) return { kind: 'constant', value: null };
  return getter(({ info }) => {
    const units = Math.floor((finish(info) - begin(info)) * perMs);
    return units >= 0 ? units : null;
  });
}

function compileTime({ name, args = '' }: FormatCommand): CompiledField {
  const format = compileTimeFormat(byteText(args), name.endsWith('_LOCAL'));
  return getter(
    name.startsWith('START')
      ? ({ info }) => format(info.startWallMs)
      : ({ info }) => format(emitWallMs(info)),
  );
}

export const TIME_COMMANDS: CommandTable = [
  ...bare(FIELDS),
  ['UPSTREAM_CONNECTION_POOL_READY_DURATION', { form: 'bare', compile: () => poolReady }],
  ['COMMON_DURATION', { form: 'required', compile: compileCommonDuration }],
  ['START_TIME', { form: 'optional', compile: compileTime }],
  ['START_TIME_LOCAL', { form: 'optional', compile: compileTime }],
  ['EMIT_TIME', { form: 'optional', compile: compileTime }],
  ['EMIT_TIME_LOCAL', { form: 'optional', compile: compileTime }],
];
