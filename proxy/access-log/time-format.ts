// [w] Times of access logs: strftime specifiers with `%f`, `%1f` … `%9f` and `%s` (envoy-behaviour §11.1).
import { ConfigError } from '../config/config-error.ts';

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June', 'July'],
  ...['August', 'September', 'October', 'November', 'December'],
];

/** Calendar fields of one moment; `offsetMinutes` east of UTC. */
interface Moment {
  readonly date: Date;
  readonly epochMs: number;
  readonly offsetMinutes: number;
}

type TimePart = string | ((moment: Moment) => string);

const two = (value: number): string => (value < 10 ? `0${value}` : `${value}`);

const isoDate = (d: Date): string =>
  `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`;
const isoTime = (d: Date): string =>
  `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
const hour12 = (d: Date): number => d.getUTCHours() % 12 || 12;
const halfDay = (d: Date): string => (d.getUTCHours() < 12 ? 'AM' : 'PM');
const dayOfYear = (d: Date): number =>
  Math.floor((d.getTime() - Date.UTC(d.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;

function offsetText(minutes: number): string {
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}${two(size % 60)}`;
}

/** `digits` 1 to 9 of the fraction of the second. */
function fraction(epochMs: number, digits: number): string {
  const nanos = Math.floor((epochMs - Math.floor(epochMs / 1000) * 1000) * 1e6);
  return String(nanos).padStart(9, '0').slice(0, digits);
}

const yearStart = (d: Date): number => new Date(Date.UTC(d.getUTCFullYear(), 0, 1)).getUTCDay();
/** Weeks that began in this year before that day; `firstDay` 0: on Sundays, 1: on Mondays. */
const weekOfYear = (d: Date, firstDay: 0 | 1): number =>
  Math.floor(
    (dayOfYear(d) - 1 + ((yearStart(d) - firstDay + 7) % 7) + (yearStart(d) === firstDay ? 7 : 0)) /
      7,
  );

/** ISO 8601: the week belongs to the year that has its Thursday. */
function isoWeek(d: Date): { readonly year: number; readonly week: number } {
  const thursday = new Date(d.getTime() + (4 - (d.getUTCDay() || 7)) * 86_400_000);
  return {
    year: thursday.getUTCFullYear(),
    week: Math.floor((dayOfYear(thursday) - 1) / 7) + 1,
  };
}

const colonOffset = (minutes: number): string => {
  const text = offsetText(minutes);
  return `${text.slice(0, 3)}:${text.slice(3)}`;
};

/** `moment.date` is shifted by the offset, so that its UTC getters tell local time. */
const SPECIFIERS = new Map<string, (moment: Moment) => string>([
  ['Y', ({ date }) => String(date.getUTCFullYear())],
  ['y', ({ date }) => two(date.getUTCFullYear() % 100)],
  ['m', ({ date }) => two(date.getUTCMonth() + 1)],
  ['d', ({ date }) => two(date.getUTCDate())],
  ['e', ({ date }) => String(date.getUTCDate()).padStart(2)],
  ['H', ({ date }) => two(date.getUTCHours())],
  ['I', ({ date }) => two(hour12(date))],
  ['M', ({ date }) => two(date.getUTCMinutes())],
  ['S', ({ date }) => two(date.getUTCSeconds())],
  ['p', ({ date }) => halfDay(date)],
  ['j', ({ date }) => String(dayOfYear(date)).padStart(3, '0')],
  ['a', ({ date }) => DAYS[date.getUTCDay()]!.slice(0, 3)],
  ['A', ({ date }) => DAYS[date.getUTCDay()]!],
  ['b', ({ date }) => MONTHS[date.getUTCMonth()]!.slice(0, 3)],
  ['h', ({ date }) => MONTHS[date.getUTCMonth()]!.slice(0, 3)],
  ['B', ({ date }) => MONTHS[date.getUTCMonth()]!],
  ['w', ({ date }) => String(date.getUTCDay())],
  ['u', ({ date }) => String(date.getUTCDay() || 7)],
  [
    'D',
    ({ date }) =>
      `${two(date.getUTCMonth() + 1)}/${two(date.getUTCDate())}/${two(date.getUTCFullYear() % 100)}`,
  ],
  ['F', ({ date }) => isoDate(date)],
  ['T', ({ date }) => isoTime(date)],
  ['R', ({ date }) => isoTime(date).slice(0, 5)],
  ['r', ({ date }) => `${two(hour12(date))}${isoTime(date).slice(2)} ${halfDay(date)}`],
  [
    'c',
    ({ date }) =>
      `${DAYS[date.getUTCDay()]!.slice(0, 3)} ${MONTHS[date.getUTCMonth()]!.slice(0, 3)} ${String(date.getUTCDate()).padStart(2)} ${isoTime(date)} ${date.getUTCFullYear()}`,
  ],
  ['z', ({ offsetMinutes }) => offsetText(offsetMinutes)],
  ['Z', ({ offsetMinutes }) => (offsetMinutes === 0 ? 'UTC' : offsetText(offsetMinutes))],
  ['s', ({ epochMs }) => String(Math.floor(epochMs / 1000))],
  ['f', ({ epochMs }) => fraction(epochMs, 9)],
  ['C', ({ date }) => two(Math.floor(date.getUTCFullYear() / 100))],
  ['G', ({ date }) => String(isoWeek(date).year)],
  ['g', ({ date }) => two(isoWeek(date).year % 100)],
  ['V', ({ date }) => two(isoWeek(date).week)],
  ['U', ({ date }) => two(weekOfYear(date, 0))],
  ['W', ({ date }) => two(weekOfYear(date, 1))],
  ['k', ({ date }) => String(date.getUTCHours()).padStart(2)],
  ['l', ({ date }) => String(hour12(date)).padStart(2)],
  ['P', ({ date }) => halfDay(date).toLowerCase()],
  ['X', ({ date }) => isoTime(date)],
  [
    'x',
    ({ date }) =>
      `${two(date.getUTCMonth() + 1)}/${two(date.getUTCDate())}/${two(date.getUTCFullYear() % 100)}`,
  ],
]);

/** Prints a wall-clock time. */
export type TimeFormat = (epochMs: number) => string;

/** `2024-01-31T12:34:56.789Z`; the part up to the second is kept from call to call. */
export function isoMillis(): TimeFormat {
  let second = NaN;
  let prefix = '';
  return (epochMs) => {
    const nowSecond = Math.floor(epochMs / 1000);
    if (nowSecond !== second) {
      second = nowSecond;
      prefix = new Date(nowSecond * 1000).toISOString().slice(0, 20);
    }
    const millis = Math.floor(epochMs) - nowSecond * 1000;
    return `${prefix}${millis < 10 ? '00' : millis < 100 ? '0' : ''}${millis}Z`;
  };
}

/** `format` '' is Envoy's default. Throws ConfigError for a specifier that would print a newline. */
export function compileTimeFormat(format: string, local: boolean): TimeFormat {
  if (format === '')
    return local ? compileTimeFormat('%Y-%m-%dT%H:%M:%S.%3f%z', true) : isoMillis();
  const parts = parseTimeFormat(format);
  return (epochMs) => {
    const offsetMinutes = local ? -new Date(epochMs).getTimezoneOffset() : 0;
    const moment: Moment = {
      date: new Date(epochMs + offsetMinutes * 60_000),
      epochMs,
      offsetMinutes,
    };
    let text = '';
    for (const part of parts) text += typeof part === 'string' ? part : part(moment);
    return text;
  };
}

function parseTimeFormat(format: string): TimePart[] {
  if (/[\r\n]|%n/.test(format)) {
    throw new ConfigError([
      { path: '', message: 'Invalid header configuration. Format string contains newline.' },
    ]);
  }
  const parts: TimePart[] = [];
  let literal = '';
  for (let i = 0; i < format.length; i++) {
    const found = format[i] === '%' ? specifierAt(format, i + 1) : undefined;
    if (found === undefined) {
      literal += format[i]!;
      continue;
    }
    if (literal !== '') parts.push(literal);
    literal = '';
    parts.push(found.part);
    i = found.end - 1;
  }
  parts.push(literal);
  return parts;
}

/** Undefined: no specifier; the text stands for itself. */
function specifierAt(
  format: string,
  start: number,
): { readonly part: TimePart; readonly end: number } | undefined {
  const letter = format[start] ?? '';
  if (letter === '%') return { part: '%', end: start + 1 };
  if (letter === 't') return { part: '\t', end: start + 1 };
  if (letter >= '1' && letter <= '9' && format[start + 1] === 'f') {
    const digits = Number(letter);
    return { part: ({ epochMs }) => fraction(epochMs, digits), end: start + 2 };
  }
  if (letter === 'E') return extendedAt(format, start + 1);
  if (letter === ':' && format[start + 1] === 'z')
    return { part: ({ offsetMinutes }) => colonOffset(offsetMinutes), end: start + 2 };
  const part = SPECIFIERS.get(letter);
  return part === undefined ? undefined : { part, end: start + 1 };
}

/** Those of the library Envoy prints times with: `%E3S`, `%E*S`, `%E3f`, `%E*f`, `%E4Y`, `%Ez`, `%ET`. */
function extendedAt(
  format: string,
  start: number,
): { readonly part: TimePart; readonly end: number } | undefined {
  const letter = format[start] ?? '';
  if (letter === 'T') return { part: 'T', end: start + 1 };
  if (letter === 'z')
    return { part: ({ offsetMinutes }) => colonOffset(offsetMinutes), end: start + 1 };
  const digits = letter >= '0' && letter <= '9' ? Number(letter) : undefined;
  const unit = format[start + 1];
  const end = start + 2;
  if (digits === 4 && unit === 'Y')
    return { part: ({ date }) => String(date.getUTCFullYear()), end };
  if ((unit !== 'S' && unit !== 'f') || (digits === undefined && letter !== '*')) return undefined;
  const part = (epochMs: number): string =>
    digits === undefined
      ? fraction(epochMs, 9).replace(/0+$/, '')
      : fraction(epochMs, digits).padEnd(digits, '0');
  if (unit === 'f')
    return { part: ({ epochMs }) => (part(epochMs) === '' ? '0' : part(epochMs)), end };
  return {
    part: ({ date, epochMs }) =>
      two(date.getUTCSeconds()) + (part(epochMs) === '' ? '' : `.${part(epochMs)}`),
    end,
  };
}
