// [w] MissingSettingsFactory: stands where the settings of a filter are discovered (ECDS) and none came. What the filter would have
// judged is not passed: 500, flag NFCF, as in Envoy.
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type {
  FilterCallbacks,
  HttpFilter,
  HttpFilterFactory,
  LocalReply,
} from '../../http/http-filter.ts';
import { ResponseFlag } from '../../stream-info/response-flags.ts';

const REPLY: LocalReply = {
  status: 500,
  body: '',
  details: '',
  flag: ResponseFlag.NoFilterConfigFound,
  grpcStatus: undefined,
  modifyHeaders: undefined,
};

class MissingSettings extends PassThroughFilter {
  readonly #callbacks: FilterCallbacks;

  constructor(callbacks: FilterCallbacks) {
    super();
    this.#callbacks = callbacks;
  }

  override decodeHeaders(): FilterStatus {
    this.#callbacks.sendLocalReply(REPLY);
    return FilterStatus.StopIteration;
  }
}

export class MissingSettingsFactory implements HttpFilterFactory {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter {
    return new MissingSettings(callbacks);
  }
}
