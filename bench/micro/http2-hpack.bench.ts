// HPACK both ways: a service's request and a backend's response, first and in the steady state; Huffman; how long texts
// are best written. Run: node bench/micro/http2-hpack.bench.ts
import { HeaderMap } from '../../proxy/http/header-map.ts';
import { headerName } from '../../proxy/http/headers.ts';
import { HpackDecoder } from '../../proxy/http/http2/hpack-decoder.ts';
import { HpackEncoder } from '../../proxy/http/http2/hpack-encoder.ts';
import { huffmanDecode, huffmanEncode } from '../../proxy/http/http2/huffman.ts';
import { bench } from './micro-bench.ts';

const REQUEST = [
  [':authority', 'reviews:9080'],
  [':path', '/reviews/0'],
  ['user-agent', 'python-requests/2.31.0'],
  ['accept-encoding', 'gzip, deflate'],
  ['accept', '*/*'],
  ['x-forwarded-proto', 'http'],
  ['x-b3-sampled', '1'],
  ['cookie', 'session=eyJ1c2VyIjoiamFzb24ifQ'],
] as const;
const IDS = ['x-request-id', 'x-b3-traceid', 'x-b3-spanid'] as const;
const RESPONSE = [
  ['server', 'envoy'],
  ['date', 'Wed, 21 Oct 2026 07:28:00 GMT'],
  ['content-type', 'application/json'],
  ['content-length', '100'],
  ['x-envoy-upstream-service-time', '1'],
] as const;

function mapOf(lines: readonly (readonly [string, string])[]): HeaderMap {
  const map = new HeaderMap();
  for (const [name, value] of lines) map.push(headerName(name), value);
  return map;
}

const out = Buffer.allocUnsafeSlow(65_536);
const sink = {
  count: 0,
  onHeader() {
    this.count++;
  },
};

const encode = (encoder: HpackEncoder, map: HeaderMap): number =>
  encoder.lines(out, encoder.beginBlock(out, 0), map);

/** Ids of 36 characters, as many as nobody remembers. */
const ids = Array.from(
  { length: 4096 },
  (_, i) =>
    `${String((i * 2_654_435_761) % 4_294_967_296).padStart(10, '0')}-5d54-9e3c-8b7c-0c1f4d1b7a`,
);
const requests = ids.map((id) => mapOf([...REQUEST, ...IDS.map((name) => [name, id] as const)]));

const response = mapOf(RESPONSE);
const steady = new HpackEncoder();
bench('encode: response, 5 lines, in the table', () => encode(steady, response));
const busy = new HpackEncoder();
bench('encode: request, 8 lines in the table, 3 new ids', (i) =>
  encode(busy, requests[i % requests.length]!));
bench('encode: response by a new connection', () => encode(new HpackEncoder(), response));

function blocks(maps: readonly HeaderMap[]): readonly Buffer[] {
  const encoder = new HpackEncoder();
  return maps.map((map) => Buffer.from(out.subarray(0, encode(encoder, map))));
}

function decodeBench(name: string, maps: readonly HeaderMap[]): void {
  const list = blocks(maps);
  const decoder = new HpackDecoder(4096);
  // Everything that recurs has entered the table after two blocks; those are not sent again.
  const warm = 2;
  for (const block of list.slice(0, warm)) decoder.decode(block, 0, block.length, sink);
  bench(name, (i) => {
    const block = list[warm + (i % (list.length - warm))]!;
    if (!decoder.decode(block, 0, block.length, sink)) throw new Error(name);
    return sink.count;
  });
}

decodeBench('decode: response, 5 lines, in the table', [response, response, response]);
decodeBench('decode: request, 8 lines in the table, 3 new ids', requests);

const text = 'https://www.example.com/a/path?with=a&query=of&some=length';
const packed = Buffer.alloc(100);
const packedEnd = huffmanEncode(text, packed, 0);
bench(`huffman: encode ${text.length} characters`, () => huffmanEncode(text, out, 0));
bench(`huffman: decode ${text.length} characters`, () => huffmanDecode(packed, 0, packedEnd, out));

function byLoop(value: string): number {
  for (let i = 0; i < value.length; i++) out[i] = value.charCodeAt(i);
  return value.length;
}
for (const length of [16, 32, 48, 64, 128]) {
  const value = 'v'.repeat(length);
  bench(`write ${length} characters, byte by byte`, () => byLoop(value));
  bench(`write ${length} characters, latin1Write`, () => out.latin1Write(value, 0, length));
}
