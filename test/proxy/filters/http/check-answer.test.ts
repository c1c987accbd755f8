// Answers of an authorization service that decide nothing, and lines of theirs that are left out.
import t from 'tap';
import { checkVerdict } from '../../../../proxy/filters/http/check-answer.ts';
import { encode } from '../../../../xds-protos/codec.ts';
import type { MessageTypes } from '../../../../xds-protos/gen/message-types.ts';

const RESPONSE = 'envoy.service.auth.v3.CheckResponse';
const verdictOf = (answer: MessageTypes[typeof RESPONSE]) =>
  checkVerdict(Buffer.from(encode(RESPONSE, answer)));
const withHeader = (key: string, value: string) =>
  verdictOf({ ok_response: { headers: [{ header: { key, value } }] } });

for (const name of [':path', ':authority', ':method', ':status'])
  t.test(`a rewrite of ${name} decides nothing`, async (t) => {
    t.equal(withHeader(name, 'x'), null);
    const headers = [{ header: { key: name, value: 'x' } }];
    t.equal(verdictOf({ ok_response: { response_headers_to_add: headers } }), null);
  });

for (const [what, key, value] of [
  ['a line break in a value', 'x', 'a\r\nb: c'],
  ['a NUL in a value', 'x', '\0'],
  ['a space in a name', 'x y', 'a'],
  ['no name', '', 'a'],
  ['a length', 'Content-Length', '5'],
  ['a coding', 'transfer-encoding', 'chunked'],
] as const)
  t.test(`${what} is left out`, async (t) => {
    t.match(withHeader(key, value), { kind: 'ok', set: [] });
  });

t.test('a line that is fine stays', async (t) => {
  t.match(withHeader('X-É'.slice(0, 2) + 'a', 'é'), {
    set: [[{ text: 'x-a' }, 'Ã©']],
  });
});

t.test('bytes that are no answer decide nothing', async (t) => {
  for (const bytes of [[0x0a, 9], [0x1a, 2, 0x12, 5], [0x22, 2, 0x0a, 7], [0x0b]])
    t.equal(checkVerdict(Buffer.from(bytes)), null, String(bytes));
  const many = Array.from({ length: 1001 }, () => ({ header: { key: 'x', value: 'y' } }));
  t.equal(verdictOf({ ok_response: { headers: many } }), null);
});

t.test('a status that is none is 403', async (t) => {
  t.match(verdictOf({ status: { code: 7 }, denied_response: { status: { code: 'Continue' } } }), {
    kind: 'denied',
    status: 403,
  });
});
