// [m] Decodes the stateful session filter: in a connection manager and on routes.
import type { TypedExtensionConfig } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { Cookie } from '../../xds-protos/gen/envoy.type.http.v3.ts';
import type { StatefulSession } from '../../xds-protos/gen/envoy.extensions.filters.http.stateful_session.v3.ts';
import type {
  SessionStateConfig,
  StatefulSessionConfig,
} from '../config/stateful-session-config.ts';
import type { FieldReader } from './field-reader.ts';
import { breaksHeader } from './matcher-decoder.ts';
import { typedConfigOf } from './typed-config.ts';

const STATE = 'envoy.extensions.http.stateful_session';
const COOKIE = `${STATE}.cookie.v3.CookieBasedSessionState` as const;
const HEADER = `${STATE}.header.v3.HeaderBasedSessionState` as const;

export function decodeStatefulSession(reader: FieldReader<StatefulSession>): StatefulSessionConfig {
  reader.refuse('stat_prefix');
  reader.refuse('status_on_strict_destination_not_found');
  const extension = reader.child('session_state');
  return {
    kind: 'stateful_session',
    strict: reader.bool('strict'),
    state: extension && decodeState(extension),
  };
}

function decodeState(reader: FieldReader<TypedExtensionConfig>): StatefulSessionConfig['state'] {
  const config = typedConfigOf(reader);
  switch (config?.typeName) {
    case undefined:
      return undefined;
    case COOKIE: {
      const cookie = config!.as(COOKIE)?.required('cookie');
      return cookie && decodeCookie(cookie);
    }
    case HEADER: {
      const header = config!.as(HEADER);
      const name = (header?.requiredString('name') ?? '').toLowerCase();
      if (breaksHeader(name)) header?.problem('name', 'holds characters no header name can have');
      return { kind: 'header', name };
    }
    default:
      config!.unknown(reader.string('name'));
      return undefined;
  }
}

function decodeCookie(reader: FieldReader<Cookie>): SessionStateConfig {
  const name = reader.requiredString('name');
  const path = reader.string('path');
  const attributes = reader.children('attributes').map((attribute) => ({
    name: attribute.requiredString('name'),
    value: attribute.string('value'),
  }));
  const texts = [name, path, ...attributes.flatMap((each) => [each.name, each.value])];
  if (texts.some(breaksHeader)) reader.problem('', 'must not hold NUL, CR or LF');
  const ttlSeconds = Math.floor(reader.durationMs('ttl', 0) / 1000);
  return { kind: 'cookie', name, path, ttlSeconds, attributes };
}
