// [m] One line of metrics as Prometheus reads it, checked and carried over from one text format into the other: a page that has one
// line its parser refuses is refused as a whole, and ours holds what apps say. Prometheus: model/textparse/{promlex,openmetricslex}.l.

export const METRICS_FORMATS = { text: 'text', openMetrics: 'openmetrics' } as const;
export type MetricsFormat = (typeof METRICS_FORMATS)[keyof typeof METRICS_FORMATS];

/** Lines are byte strings (latin1) of valid UTF-8: bytes beyond ASCII stand in quotes only. */
const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const QUOTED = '"(?:[^"\\\\\\0]|\\\\[^\\0])*"';
const LABEL = `(?:[a-zA-Z_][a-zA-Z0-9_]*|${QUOTED})`;
/** A name in quotes may stand among the labels. */
const ITEM = `(?:${LABEL}[ \\t]*=[ \\t]*${QUOTED}|${QUOTED})`;
const LABELS = `\\{[ \\t]*((?:${ITEM}[ \\t]*(?:,[ \\t]*|(?=\\})))*)\\}`;
const VALUE =
  '[+-]?(?:(?:[0-9]+(?:\\.[0-9]*)?|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[iI][nN][fF](?:inity)?|[nN][aA][nN])';
const HEAD = `^(?:(${NAME})?[ \\t]*${LABELS}[ \\t]*|(${NAME})[ \\t]+)(${VALUE})`;

/** Milliseconds. */
const TEXT_SAMPLE = new RegExp(`${HEAD}(?:[ \\t]+(-?[0-9]+))?$`);
/** Seconds; and an exemplar. */
const OPEN_SAMPLE = new RegExp(
  `${HEAD}(?:[ \\t]+(-?[0-9]+(?:\\.[0-9]+)?(?:[eE][+-]?[0-9]+)?))?` +
    `([ \\t]+#[ \\t]+${LABELS}[ \\t]+(${VALUE})(?:[ \\t]+(-?[0-9]+(?:\\.[0-9]+)?))?)?$`,
);
const META = new RegExp(`^#[ \\t]*(HELP|TYPE|UNIT)[ \\t]+(${NAME}|${QUOTED})(?:[ \\t](.*))?$`);
const END = /^#[ \t]*EOF$/;
const META_WORD = /^#[ \t]*(?:HELP|TYPE|UNIT)(?:[ \t]|$)/;
const ITEMS = new RegExp(ITEM, 'g');
const ITEM_PARTS = new RegExp(`^(${LABEL})[ \\t]*=[ \\t]*(${QUOTED})$`);

const TEXT_TYPES = new Set(['counter', 'gauge', 'histogram', 'summary', 'untyped']);
const OPEN_TYPES = new Set([
  'counter',
  'gauge',
  'histogram',
  'gaugehistogram',
  'summary',
  'info',
  'stateset',
  'unknown',
]);
/** What the text format does not know; samples of such families are plain numbers. */
const AS_TEXT: ReadonlyMap<string, string> = new Map([
  ['unknown', 'untyped'],
  ['info', 'gauge'],
  ['stateset', 'gauge'],
  ['gaugehistogram', 'untyped'],
]);

/**
 * `line`: without its end and blanks around it. '': nothing to say in `to`. Undefined: no parser of `from` would take it.
 */
export function convertLine(
  line: string,
  from: MetricsFormat,
  to: MetricsFormat,
): string | undefined {
  if (line === '') return '';
  if (line.startsWith('#')) return convertComment(line, to);
  return from === 'text' ? convertTextSample(line, to) : convertOpenSample(line, to);
}

function convertComment(line: string, to: MetricsFormat): string | undefined {
  if (line.includes('\0')) return undefined;
  const meta = META.exec(line);
  if (meta === null) {
    if (META_WORD.test(line)) return undefined;
    return to === 'text' && !END.test(line) ? line : '';
  }
  const [, word, name, rest = ''] = meta;
  if (word !== 'TYPE') return `# ${word} ${name} ${rest}`;
  const type = typeIn(rest, to);
  return type === undefined ? undefined : `# TYPE ${name} ${type}`;
}

function typeIn(given: string, to: MetricsFormat): string | undefined {
  if (to === 'text') {
    const type = AS_TEXT.get(given) ?? given;
    return TEXT_TYPES.has(type) ? type : undefined;
  }
  const type = given === 'untyped' ? 'unknown' : given;
  return OPEN_TYPES.has(type) ? type : undefined;
}

function convertTextSample(line: string, to: MetricsFormat): string | undefined {
  const sample = TEXT_SAMPLE.exec(line);
  if (sample === null) return undefined;
  const [, named, items, bare, value, time] = sample;
  if (!areDistinct(items) || !hasName(named ?? bare, items)) return undefined;
  if (to === 'text') return line;
  const seconds = time === undefined ? '' : ` ${Number(time) / 1000}`;
  return `${seriesOf(named ?? bare, items)} ${value}${seconds}`;
}

function convertOpenSample(line: string, to: MetricsFormat): string | undefined {
  const sample = OPEN_SAMPLE.exec(line);
  if (sample === null) return undefined;
  const [, named, items, bare, value, time, exemplar, exemplarItems, atValue, atTime] = sample;
  if (!areDistinct(items) || !hasName(named ?? bare, items)) return undefined;
  const series = `${seriesOf(named ?? bare, items)} ${value}`;
  if (to === 'text') {
    return time === undefined ? series : `${series} ${Math.round(Number(time) * 1000)}`;
  }
  const timed = time === undefined ? series : `${series} ${time}`;
  if (exemplar === undefined) return timed;
  const at = atTime === undefined ? '' : ` ${atTime}`;
  return `${timed} # {${compact(exemplarItems!)}} ${atValue}${at}`;
}

const seriesOf = (name: string | undefined, items: string | undefined): string =>
  items === undefined ? name! : `${name ?? ''}{${compact(items)}}`;

/** OpenMetrics has no blanks between labels. */
const compact = (items: string): string =>
  [...items.matchAll(ITEMS)].map(([item]) => item.replace(ITEM_PARTS, '$1=$2')).join(',');

/** One name, before the labels or in quotes among them. */
function hasName(name: string | undefined, items: string | undefined): boolean {
  if (items?.includes('"') !== true) return name !== undefined;
  let count = name === undefined ? 0 : 1;
  for (const [item] of items.matchAll(ITEMS)) if (!ITEM_PARTS.test(item)) count++;
  return count === 1;
}

function areDistinct(items: string | undefined): boolean {
  if (items?.includes(',') !== true) return true;
  const seen = new Set<string>();
  for (const [item] of items.matchAll(ITEMS)) {
    const label = ITEM_PARTS.exec(item)?.[1];
    if (label === undefined) continue;
    const name = label.startsWith('"') ? label.slice(1, -1) : label;
    if (seen.has(name)) return false;
    seen.add(name);
  }
  return true;
}
