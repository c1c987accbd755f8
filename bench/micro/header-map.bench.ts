// What a request does with its headers: filling, asking, changing, copying. Run: node bench/micro/header-map.bench.ts
import { RequestHeaders } from '../../proxy/http/header-map.ts';
import { H, headerName } from '../../proxy/http/headers.ts';
import { bench } from './micro-bench.ts';

const LINES = (
  [
    ['user-agent', 'python-requests/2.31.0'],
    ['accept', '*/*'],
    ['accept-encoding', 'gzip, deflate'],
    ['x-request-id', '5b7e3b1e-5d54-9e3c-8b7c-0c1f4d1b7a10'],
    ['x-forwarded-proto', 'http'],
    ['x-b3-traceid', '80f198ee56343ba864fe8b2a57d3eff7'],
    ['x-b3-spanid', 'e457b5a2e4d86bd1'],
    ['cookie', 'session=1'],
    ['x-custom-one', '1'],
    ['x-custom-two', '2'],
  ] as const
).map(([name, value]) => [headerName(name), value] as const);

function filled(): RequestHeaders {
  const headers = new RequestHeaders();
  for (const [name, value] of LINES) headers.push(name, value);
  return headers;
}

const headers = filled();
const custom = headerName('x-custom-two');
const absent = headerName('x-not-there');
bench('fill: 10 lines', filled);
bench('get: well-known, present', () => headers.get(H.xRequestId));
bench('get: well-known, absent (one bit)', () => headers.get(H.transferEncoding));
bench('get: custom, last of 10', () => headers.get(custom));
bench('get: custom, absent', () => headers.get(absent));
bench('set: replace a value', (i) =>
  headers.set(H.xForwardedProto, i % 2 === 0 ? 'http' : 'https'));
bench('set and remove: well-known', () => {
  headers.set(H.xForwardedFor, '10.0.0.1');
  return headers.remove(H.xForwardedFor);
});
bench('clone: 10 lines', () => headers.clone());
bench('byteSize: 10 lines', () => headers.byteSize());
