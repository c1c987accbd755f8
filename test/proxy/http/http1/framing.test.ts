// Framing decisions: which length a message has, and which messages are refused for saying two things.
import t from 'tap';
import {
  CHUNKED,
  UNTIL_CLOSE,
  hasToken,
  parseContentLength,
  removeNominated,
  requestFraming,
  responseFraming,
} from '../../../../proxy/http/http1/framing.ts';
import type { Framing } from '../../../../proxy/http/http1/framing.ts';
import { RequestHeaders, ResponseHeaders } from '../../../../proxy/http/header-map.ts';
import { wireHeaderName } from '../../../../proxy/http/headers.ts';

function request(method: string, lines: readonly string[]): RequestHeaders {
  const headers = new RequestHeaders();
  headers.method = method;
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers.append(wireHeaderName(line.slice(0, colon)), line.slice(colon + 1));
  }
  return headers;
}

function response(status: number, lines: readonly string[]): ResponseHeaders {
  const headers = new ResponseHeaders();
  headers.status = status;
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers.append(wireHeaderName(line.slice(0, colon)), line.slice(colon + 1));
  }
  return headers;
}

t.test('parseContentLength', (t) => {
  for (const [text, value] of [
    ['0', 0],
    ['10', 10],
    ['010', 10],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['9007199254740992', -1],
    ['18446744073709551616', -1],
    ['', -1],
    ['+1', -1],
    ['-1', -1],
    ['0x10', -1],
    ['1_0', -1],
    [' 10', -1],
    ['10,10', -1],
    ['\u0661', -1],
  ] as const) {
    t.equal(parseContentLength(text), value, JSON.stringify(text));
  }
  t.end();
});

t.test('requestFraming', (t) => {
  const rows: readonly [lines: string[], length: number, error: string | null, method?: string][] =
    [
      [[], 0, null],
      [['content-length:5'], 5, null],
      [['transfer-encoding:chunked'], CHUNKED, null],
      [['transfer-encoding:CHUNKED'], CHUNKED, null],
      [['transfer-encoding:gzip, chunked'], 0, 'http1.invalid_transfer_encoding'],
      [
        ['transfer-encoding:chunked', 'transfer-encoding:chunked'],
        0,
        'http1.invalid_transfer_encoding',
      ],
      [['transfer-encoding:identity'], 0, 'http1.invalid_transfer_encoding'],
      [
        ['transfer-encoding:chunked', 'content-length:5'],
        0,
        'http1.content_length_and_chunked_not_allowed',
      ],
      [['content-length:5', 'content-length:5'], 0, 'http1.codec_error'],
      [['content-length:'], 0, 'http1.codec_error'],
      [['content-length:5'], 5, 'http1.body_disallowed', 'CONNECT'],
      [['content-length:0'], 0, null, 'CONNECT'],
      [['transfer-encoding:chunked'], 0, 'http1.invalid_transfer_encoding', 'CONNECT'],
    ];
  for (const [lines, length, error, method] of rows) {
    const out: Framing = { length: 99, error: null };
    requestFraming(request(method ?? 'POST', lines), false, out);
    t.equal(out.error?.details ?? null, error, `${lines.join(' + ')}: error`);
    if (error === null) t.equal(out.length, length, `${lines.join(' + ')}: length`);
  }
  t.end();
});

t.test('responseFraming', (t) => {
  const rows: readonly [
    status: number,
    head: boolean,
    lines: string[],
    length: number | 'error',
  ][] = [
    [200, false, [], UNTIL_CLOSE],
    [200, false, ['content-length:5'], 5],
    [200, true, ['content-length:5'], 0],
    [304, false, ['content-length:5'], 0],
    [204, false, [], 0],
    [204, false, ['content-length:5'], 'error'],
    [204, false, ['transfer-encoding:chunked'], 'error'],
    [200, false, ['transfer-encoding:chunked'], CHUNKED],
    [200, false, ['transfer-encoding:chunked', 'content-length:5'], 'error'],
    [200, false, ['transfer-encoding:gzip'], 'error'],
    [200, false, ['content-length:5', 'content-length:6'], 'error'],
  ];
  for (const [status, head, lines, expected] of rows) {
    const out: Framing = { length: 0, error: null };
    responseFraming(response(status, lines), head, out);
    t.equal(
      out.error === null ? out.length : 'error',
      expected,
      `${status} ${head ? 'HEAD ' : ''}${lines.join(' + ')}`,
    );
  }
  t.end();
});

t.test('removeNominated', (t) => {
  t.test('removes what Connection names', (t) => {
    const headers = request('GET', ['x-a:1', 'x-b:2', 'connection:x-a, close']);
    t.equal(removeNominated(headers, 'X-A, close'), null);
    t.equal(headers.get(wireHeaderName('x-a')), undefined);
    t.equal(headers.get(wireHeaderName('x-b')), '2');
    t.end();
  });
  t.test('never lets identity fields be taken away', (t) => {
    for (const token of ['x-forwarded-for', 'X-Forwarded-Proto', 'x-forwarded-host', ':path']) {
      t.equal(
        removeNominated(request('POST', []), token)?.details,
        'http1.connection_header_rejected',
        token,
      );
    }
    t.end();
  });
  t.test('leaves a nominated length until the framing is read', (t) => {
    const headers = request('POST', ['content-length:5', 'connection:content-length']);
    t.equal(removeNominated(headers, 'content-length'), null);
    t.equal(headers.get(wireHeaderName('content-length')), '5');
    const framing: Framing = { length: 0, error: null };
    requestFraming(headers, false, framing);
    t.equal(framing.length, 5);
    t.notOk(headers.has(wireHeaderName('content-length')));
    t.end();
  });
  t.test('takes a nominated host away', (t) => {
    const headers = request('GET', []);
    headers.authority = 'h';
    t.equal(removeNominated(headers, 'host'), null);
    t.equal(headers.authority, undefined);
    t.end();
  });
  t.test('bounds the number of tokens at nine', (t) => {
    const tokens = (n: number): string => Array.from({ length: n }, (_, i) => `a${i}`).join(',');
    t.equal(removeNominated(request('GET', []), tokens(9)), null);
    t.ok(removeNominated(request('GET', []), tokens(10)));
    t.end();
  });
  t.end();
});

t.test('hasToken', (t) => {
  t.ok(hasToken('close', 'close'));
  t.ok(hasToken('Keep-Alive, CLOSE', 'close'));
  t.ok(hasToken('a,\tclose ,b', 'close'));
  t.notOk(hasToken('closed', 'close'));
  t.notOk(hasToken('\xa0close', 'close'), 'only SP and HTAB are white space');
  t.notOk(hasToken('', 'close'));
  t.end();
});
