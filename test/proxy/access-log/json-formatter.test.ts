// JSON access logs: types, order of keys, missing values, bytes that are no UTF-8.
import t from 'tap';
import { compileJsonFormat } from '../../../proxy/access-log/json-formatter.ts';
import { requestHeaders, sampleEntry } from '../../support/access-log-entry.ts';
import type { AccessLogEntry } from '../../../proxy/http/conn-manager-context.ts';

const print = (format: unknown, omit = false, entry: AccessLogEntry = sampleEntry()): string =>
  compileJsonFormat(JSON.stringify(format), omit).format(entry);

t.test('JsonFormatter', (t) => {
  t.test('sorts keys, keeps types, prints null for what is missing', (t) => {
    const format = {
      time: '%START_TIME%',
      code: '%RESPONSE_CODE%',
      none: '%REQ(nope)%',
      mixed: 'a %REQ(nope)% %RESPONSE_CODE%',
      list: [1, '%PROTOCOL%', { b: '%ROUTE_NAME%', a: true }],
      empty: '',
      literal: 'x%%',
      nothing: null,
      host: '%HOSTNAME%',
    };
    t.equal(
      print(format),
      '{"code":200,"empty":"","host":"-","list":[1,"HTTP/1.1",{"a":true,"b":"default"}],"literal":"x%",' +
        '"mixed":"a - 200","none":null,"nothing":null,"time":"2024-01-31T12:34:56.789Z"}\n',
    );
    t.end();
  });

  t.test('leaves out keys without value when asked to, and objects that become empty', (t) => {
    const format = {
      a: '%REQ(nope)%',
      b: { c: '%REQ(nope)%' },
      d: 'x%REQ(nope)%',
      e: '%RESPONSE_CODE%',
      f: null,
    };
    t.equal(print(format, true), '{"d":"x","e":200}\n');
    t.equal(print({ a: '%REQ(nope)%' }, true), '{}\n');
    t.end();
  });

  t.test('escapes what a value can hold, and stays readable JSON on one line', (t) => {
    const values: readonly (readonly [string, string])[] = [
      ['\u00c3\u00a9<\\ "\t>&/~', '"\u00c3\u00a9<\\\\ \\"\\t>&/~"'],
      ['\u00c3\u00a9 \u00ff"<\\ \t>&~', '"\\u00c3\\u00a9 \\u00ff\\u0022<\\u005c \\u0009>&~"'],
      ['a\r\nb', '"a\\r\\nb"'],
    ];
    for (const [value, expected] of values) {
      const entry = sampleEntry({ requestHeaders: requestHeaders([['user-agent', value]]) });
      t.equal(print({ ua: '%REQ(USER-AGENT)%' }, false, entry), `{"ua":${expected}}\n`);
    }
    t.end();
  });

  t.test('is no way to the prototype', (t) => {
    t.equal(
      compileJsonFormat('{"__proto__":"%RESPONSE_CODE%"}', false).format(sampleEntry()),
      '{"__proto__":200}\n',
    );
    t.end();
  });

  t.test('refuses commands that do not exist and endless nesting', (t) => {
    t.throws(() => print({ a: { b: '%NOPE%' } }), {
      message: /Not supported field in StreamInfo: NOPE/,
    });
    t.throws(() => compileJsonFormat('{', false), { message: /json_format is no JSON/ });
    const deep = `${'['.repeat(200)}1${']'.repeat(200)}`;
    t.throws(() => compileJsonFormat(`{"a":${deep}}`, false), { message: /nested deeper/ });
    t.end();
  });
  t.end();
});
