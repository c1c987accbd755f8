// [m] Which formats a scrape is asked in and answered with: the two text formats, never protobuf, since pages are joined line by line
// (istio-contract §6.7). Istio: pilot-agent/status.
import type { MetricsFormat } from './exposition-line.ts';

export const TEXT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
const PLAIN_TEXT = 'text/plain;version=0.0.4';
const OPEN_METRICS = 'application/openmetrics-text';
const OPEN_METRICS_VERSIONS = new Set(['0.0.1', '1.0.0']);
const MAX_ACCEPT_CHARS = 4096;
const MEDIA_TYPE = /^[a-z0-9*.+-]+\/[a-z0-9*.+-]+$/;

interface MediaType {
  readonly type: string;
  readonly version: string | undefined;
}

export interface PageFormat {
  readonly format: MetricsFormat;
  readonly contentType: string;
}

function parseMediaType(text: string): MediaType | undefined {
  const [first = '', ...parameters] = text.split(';').map((part) => part.trim());
  const type = first.toLowerCase();
  if (!MEDIA_TYPE.test(type)) return undefined;
  const version = parameters
    .map((parameter) => /^version\s*=\s*"?([^"]*)"?$/i.exec(parameter)?.[1])
    .find((value) => value !== undefined);
  return { type, version };
}

/** What the app is asked for: of what the scraper takes the types that can be joined, in its order. */
export function acceptOfApp(accept: string | undefined): string {
  if (accept === undefined || accept.length > MAX_ACCEPT_CHARS) return PLAIN_TEXT;
  const kept = accept
    .split(',')
    .map((text) => text.trim())
    .map((text) => {
      const media = parseMediaType(text);
      if (media === undefined) return undefined;
      if (media.type === 'text/plain' || media.type === 'text/*') return text;
      if (media.type === '*/*') return PLAIN_TEXT + qualityOf(text);
      const known = media.version === undefined || OPEN_METRICS_VERSIONS.has(media.version);
      return media.type === OPEN_METRICS && known ? text : undefined;
    })
    .filter((text) => text !== undefined);
  return kept.length === 0 ? PLAIN_TEXT : kept.join(',');
}

const qualityOf = (text: string): string => {
  const quality = /;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*(?:;|$)/i.exec(text)?.[1];
  return quality === undefined ? '' : `;q=${quality}`;
};

/** Of one page, by its Content-Type. What says nothing we know is read as text, line by line. */
export function formatOf(contentType: string | undefined): PageFormat {
  const media = parseMediaType(contentType ?? '');
  if (media?.type !== OPEN_METRICS) return { format: 'text', contentType: TEXT_TYPE };
  const version = media.version === '1.0.0' ? '1.0.0' : '0.0.1';
  return {
    format: 'openmetrics',
    contentType: `${OPEN_METRICS}; version=${version}; charset=utf-8`,
  };
}

/** Of the pages of all apps together: OpenMetrics where they agree on it. */
export function commonFormat(pages: readonly PageFormat[]): PageFormat {
  const [first, ...others] = pages;
  return first !== undefined && others.every(({ contentType }) => contentType === first.contentType)
    ? first
    : { format: 'text', contentType: TEXT_TYPE };
}

/** The scraper takes gzip (RFC 9110 §12.5.3). */
export function takesGzip(acceptEncoding: string | undefined): boolean {
  for (const part of (acceptEncoding ?? '').slice(0, MAX_ACCEPT_CHARS).split(',')) {
    const [coding, ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    if (coding === 'gzip') return !parameters.some((text) => /^q\s*=\s*0(?:\.0{0,3})?$/.test(text));
  }
  return false;
}
