// [w] envoy.filters.http.stateful_session: a cookie or a header names the host that answered the client before; the first
// attempt goes there again, and an answer of another host says so.
import type { TimeSource } from '../../base/clock.ts';
import type {
  SessionStateConfig,
  StatefulSessionConfig,
} from '../../config/stateful-session-config.ts';
import type { RequestHeaders, ResponseHeaders } from '../../http/header-map.ts';
import { H, headerName } from '../../http/headers.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import { cookieTail, cookieValue } from '../../router/cookies.ts';
import { OVERRIDE_HOST, OVERRIDE_HOST_STRICT } from '../../router/host-selection.ts';
import { wireText } from '../../router/wire-text.ts';
import type { FilterFactoryContext } from '../factory-context.ts';
import { CompiledSettings } from './compiled-settings.ts';

/** Where an address is kept between two requests of a client. */
interface SessionState {
  /** Undefined: nowhere yet. */
  read(headers: RequestHeaders): string | undefined;
  write(address: string, headers: ResponseHeaders): void;
}

class StatefulSessionFilter extends PassThroughFilter {
  readonly #callbacks: FilterCallbacks;
  readonly #strict: boolean;
  readonly #state: SessionState;
  #address: string | undefined;

  constructor(callbacks: FilterCallbacks, strict: boolean, state: SessionState) {
    super();
    this.#callbacks = callbacks;
    this.#strict = strict;
    this.#state = state;
  }

  override decodeHeaders(headers: RequestHeaders): FilterStatus {
    this.#address = this.#state.read(headers);
    if (this.#address !== undefined) {
      const key = this.#strict ? OVERRIDE_HOST_STRICT : OVERRIDE_HOST;
      this.#callbacks.streamInfo.filterStateForWriting().set(key, { text: this.#address });
    }
    return FilterStatus.Continue;
  }

  override encodeHeaders(headers: ResponseHeaders): FilterStatus {
    const { host } = this.#callbacks.streamInfo;
    if (host !== null && host.addressText !== this.#address)
      this.#state.write(host.addressText, headers);
    return FilterStatus.Continue;
  }
}

export class StatefulSessionFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #config: StatefulSessionConfig;
  readonly #states: CompiledSettings<SessionStateConfig, SessionState>;

  constructor(name: string, config: StatefulSessionConfig, { time }: FilterFactoryContext) {
    this.name = name;
    this.#config = config;
    this.#states = new CompiledSettings((state) =>
      state.kind === 'header' ? headerState(state.name) : cookieState(state, time),
    );
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter | null {
    const { route, requestHeaders, streamInfo } = callbacks;
    const own = route?.filterSettings(this.name, requestHeaders, streamInfo);
    const { state, strict } = own?.kind === 'stateful_session' ? own : this.#config;
    return state === undefined
      ? null
      : new StatefulSessionFilter(callbacks, strict, this.#states.of(state));
  }
}

const decoded = (text: string): string | undefined =>
  /^[A-Za-z0-9+/]+={0,2}$/.test(text) && text.length % 4 === 0
    ? Buffer.from(text, 'base64').toString('latin1')
    : undefined;

function headerState(name: string): SessionState {
  const header = headerName(name);
  return {
    read(headers) {
      const text = headers.getAny(header);
      return text === undefined ? undefined : decoded(text);
    },
    write: (address, headers) =>
      headers.set(header, Buffer.from(address, 'latin1').toString('base64')),
  };
}

function cookieState(
  state: SessionStateConfig & { readonly kind: 'cookie' },
  time: TimeSource,
): SessionState {
  const name = wireText(state.name);
  const tail = cookieTail({ ...state, ttlMs: state.ttlSeconds * 1000 });
  const nowSeconds = (): number => Math.floor(time.wallMs() / 1000);
  return {
    read(headers) {
      const text = cookieValue(headers, name);
      const bytes = text === undefined ? undefined : decoded(text);
      return bytes === undefined ? undefined : addressIn(bytes, nowSeconds());
    },
    write(address, headers) {
      const expires =
        state.ttlSeconds === 0 ? '' : `\x10${varint(nowSeconds() + state.ttlSeconds)}`;
      const value = `\x0a${varint(address.length)}${address}${expires}`;
      const text = Buffer.from(value, 'latin1').toString('base64');
      headers.push(H.setCookie, `${name}="${text}"${tail}`);
    },
  };
}

/** Envoy's message of an address (1) and when it is no longer good (2, seconds); or the bare address, as it was of old. */
function addressIn(bytes: string, nowSeconds: number): string | undefined {
  if (!bytes.startsWith('\x0a')) return bytes;
  const length = bytes.charCodeAt(1);
  const address = bytes.slice(2, 2 + length);
  if (address.length < length) return undefined;
  const rest = bytes.slice(2 + length);
  if (rest === '') return address;
  if (!rest.startsWith('\x10')) return undefined;
  let expires = 0;
  for (let i = rest.length - 1; i >= 1; i--) expires = expires * 128 + (rest.charCodeAt(i) & 127);
  return expires > nowSeconds ? address : undefined;
}

function varint(value: number): string {
  let text = '';
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) text += String.fromCharCode((rest % 128) + 128);
  return text + String.fromCharCode(rest);
}
