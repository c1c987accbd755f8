// Parsing and writing HTTP/1 heads, as a browser, a service and a backend send them. Run: node bench/micro/http1-parser.bench.ts
import { HeadParser } from '../../proxy/http/http1/head-parser.ts';
import type { HeadKind } from '../../proxy/http/http1/head-parser.ts';
import { BodyFraming, requestHead, responseHead } from '../../proxy/http/http1/message-writer.ts';
import { bench } from './micro-bench.ts';

const limits = { maxBytes: 60 * 1_024, maxCount: 100, underscores: 'ALLOW' } as const;
const CURL =
  'GET /productpage HTTP/1.1\r\nHost: productpage:9080\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n';
const SERVICE = `GET /reviews/0 HTTP/1.1\r\nhost: reviews:9080\r\nuser-agent: python-requests/2.31.0\r\naccept-encoding: gzip, deflate\r\naccept: */*\r\nx-request-id: 5b7e3b1e-5d54-9e3c-8b7c-0c1f4d1b7a10\r\nx-forwarded-proto: http\r\nx-b3-traceid: 80f198ee56343ba864fe8b2a57d3eff7\r\nx-b3-spanid: e457b5a2e4d86bd1\r\nx-b3-sampled: 1\r\ncookie: session=eyJ1c2VyIjoiamFzb24ifQ\r\n\r\n`;
const MANY = `GET / HTTP/1.1\r\nhost: a\r\n${Array.from({ length: 50 }, (_, i) => `x-bench-header-${i}: a value of some length ${i}\r\n`).join('')}\r\n`;
const RESPONSE =
  'HTTP/1.1 200 OK\r\nserver: nginx\r\ndate: Wed, 21 Oct 2026 07:28:00 GMT\r\ncontent-type: text/plain\r\ncontent-length: 100\r\nconnection: keep-alive\r\n\r\n';

function parseBench(name: string, kind: HeadKind, text: string): void {
  const parser = new HeadParser(kind, limits);
  const bytes = Buffer.from(text, 'latin1');
  bench(name, () => {
    parser.reset();
    parser.parse(bytes, 0, bytes.length);
    if (!parser.done) throw new Error(`${name}: not parsed: ${parser.error?.details}`);
    return parser;
  });
}

parseBench("parse: curl's GET, 3 headers", 'request', CURL);
parseBench("parse: a service's GET, 10 headers", 'request', SERVICE);
parseBench('parse: GET with 50 headers', 'request', MANY);
parseBench('parse: response, 5 headers', 'response', RESPONSE);

const service = new HeadParser('request', limits);
service.parse(Buffer.from(SERVICE), 0, SERVICE.length);
bench("write: a service's GET, 10 headers", () =>
  requestHead(service.request, BodyFraming.None, true));
const response = new HeadParser('response', limits);
response.parse(Buffer.from(RESPONSE), 0, RESPONSE.length);
bench('write: response, 5 headers', () =>
  responseHead(response.response, BodyFraming.Length, false, false));
