// [w] Replies of the proxy itself (envoy-behaviour §1.15).
import t from 'tap';
import { ResponseHeaders } from '../../../proxy/http/header-map.ts';
import { H } from '../../../proxy/http/headers.ts';
import type { LocalReply } from '../../../proxy/http/http-filter.ts';
import { localReplyHeaders } from '../../support/local-reply.ts';
import { FixedResponse } from '../../../proxy/router/direct-response.ts';
import { NO_ENVIRONMENT } from '../../../proxy/router/route-environment.ts';
import { directReply } from '../../../proxy/router/router-reply.ts';
import { request, streamInfo } from '../../support/route-samples.ts';

const reply = (rest: Partial<LocalReply>): LocalReply => ({
  status: 200,
  body: '',
  details: 'd',
  flag: undefined,
  grpcStatus: undefined,
  modifyHeaders: undefined,
  ...rest,
});

t.test('localReplyHeaders', async (t) => {
  const bytes = Buffer.from('iVBORw0KGgo=', 'base64');
  const cases = [
    ['no body', reply({}), undefined],
    ['text', reply({ body: 'ü' }), '2'],
    // 0x89 is no UTF-8: as text it would be three bytes.
    ['bytes', reply({ body: bytes.toString('utf8'), bodyBytes: bytes }), '8'],
  ] as const;
  for (const [what, given, length] of cases) {
    t.equal(
      localReplyHeaders(given, false).get(H.contentLength),
      length,
      `content-length of ${what}`,
    );
  }
  const direct = new FixedResponse(
    {
      kind: 'direct_response',
      status: 200,
      body: '\ufffdPNG',
      bodyBytes: bytes,
    },
    NO_ENVIRONMENT,
    'p',
  );
  t.equal(
    directReply(direct, request([[':path', '/logo']]), streamInfo()).bodyBytes,
    bytes,
    'a direct response keeps its bytes',
  );
  const text = '%REQ(:path)% %REQ(x-none)% [%LOCAL_REPLY_BODY%]';
  const formatted = new FixedResponse(
    {
      kind: 'direct_response',
      status: 200,
      body: 'é',
      format: { kind: 'text', text, omitEmptyValues: false, contentType: 'text/html' },
    },
    NO_ENVIRONMENT,
    'p',
  );
  const made = directReply(formatted, request([[':path', '/logo']]), streamInfo());
  t.equal(Buffer.from(made.bodyBytes!).toString(), '/logo - [é]', 'a format makes the body');
  const headers = new ResponseHeaders();
  made.modifyHeaders!(headers);
  t.equal(headers.get(H.contentType), 'text/html');
  t.throws(
    () =>
      new FixedResponse(
        {
          kind: 'direct_response',
          status: 200,
          body: '',
          format: { kind: 'text', text: '%NOPE%', omitEmptyValues: false },
        },
        NO_ENVIRONMENT,
        'p',
      ),
    { message: /^p\.body_format: .*NOPE/ },
  );
});
