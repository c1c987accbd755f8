// Formats of access logs: every command, Istio's line, hostile values, header values.
import { readFileSync } from 'node:fs';
import t from 'tap';
import { compileFormat } from '../../../proxy/access-log/formatter.ts';
import { DEFAULT_FORMAT } from '../../../proxy/access-log/access-logger.ts';
import { HeaderMap } from '../../../proxy/http/header-map.ts';
import { headerName } from '../../../proxy/http/headers.ts';
import {
  requestHeaders,
  responseHeaders,
  sampleEntry,
  sampleInfo,
  sampleRoute,
} from '../../support/access-log-entry.ts';
import type { AccessLogEntry } from '../../../proxy/http/conn-manager-context.ts';

const commandForms = JSON.parse(
  readFileSync(new URL('../../fixtures/access-log-commands.json', import.meta.url), 'utf8'),
) as Record<string, readonly string[]>;

/** Where not any argument will do. */
const ARGUMENTS = new Map([
  ['COMMON_DURATION', 'DS_RX_BEG:DS_TX_END'],
  ['COALESCE', '{"operators":["PROTOCOL"]}'],
  ['GRPC_STATUS', 'NUMBER'],
  ['METADATA', 'ROUTE:a'],
  ['PATH', 'NQ'],
  ['XFCC_VALUE', 'URI'],
  ['QUERY_PARAMS', 'ORIG'],
  ['REQUESTED_SERVER_NAME', 'SNI_ONLY'],
]);
/** Optional by form; then each refuses having none. */
const NEEDS_ARGUMENTS = new Set([
  'METADATA',
  'FILTER_STATE',
  'UPSTREAM_FILTER_STATE',
  'XFCC_VALUE',
]);

const environment = { hostname: 'node-é', variables: new Map([['POD', 'reviews-1']]) };
const print = (text: string, entry: AccessLogEntry = sampleEntry()): string =>
  compileFormat(text, { environment }).format(entry);

const ISTIO =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% ' +
  '%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% ' +
  '%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n';

t.test('Formatter', (t) => {
  t.test("prints Istio's default line", (t) => {
    t.equal(
      print(ISTIO),
      '[2024-01-31T12:34:56.789Z] "GET /reviews/1?full=yes HTTP/1.1" 200 - via_upstream - "-" 3 5 12 9 "-" ' +
        '"curl/8.5.0" "f1e2d3c4-0000-4000-8000-000000000001" "reviews:9080" "10.1.0.7:9080" ' +
        'outbound|9080||reviews.default.svc.cluster.local 10.1.0.5:51000 10.1.0.5:9080 10.1.0.9:40000 - default\n',
    );
    t.end();
  });

  t.test("prints Envoy's default line", (t) => {
    t.equal(
      print(DEFAULT_FORMAT),
      '[2024-01-31T12:34:56.789Z] "GET /reviews/1?full=yes HTTP/1.1" 200 - 3 5 12 9 "-" "curl/8.5.0" ' +
        '"f1e2d3c4-0000-4000-8000-000000000001" "reviews:9080" "10.1.0.7:9080"\n',
    );
    t.end();
  });

  const commands: readonly (readonly [string, string])[] = [
    ['%%', '%'],
    ['100%% of %RESPONSE_CODE%%%', '100% of 200%'],
    ['%REQ(USER-AGENT):4%', 'curl'],
    ['%REQ(nope?user-agent)%', 'curl/8.5.0'],
    ['%REQ(nope)%', '-'],
    ['%RESP(:STATUS)%', '200'],
    ['%TRAILER(GRPC-STATUS)%', '-'],
    ['%PATH%', '/reviews/1?full=yes'],
    ['%PATH(NQ)%', '/reviews/1'],
    ['%PATH(NQ:ORIG)%', '-'],
    ['%QUERY_PARAM(full)%', 'yes'],
    ['%QUERY_PARAM(none)%', '-'],
    ['%RESPONSE_FLAGS_LONG%', '-'],
    ['%REQUEST_DURATION%', '1'],
    ['%REQUEST_TX_DURATION%', '3'],
    ['%RESPONSE_DURATION%', '10'],
    ['%RESPONSE_TX_DURATION%', '2'],
    ['%UPSTREAM_HOST_NAME%', '10.1.0.7:9080'],
    ['%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_REMOTE_PORT%', '10.1.0.7 9080'],
    ['%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %UPSTREAM_LOCAL_PORT%', '10.1.0.5 51000'],
    ['%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_PORT%', '10.1.0.9 40000'],
    ['%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%', '10.1.0.9'],
    ['%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_PORT%', '10.1.0.5 9080'],
    ['%CONNECTION_ID% %UPSTREAM_REQUEST_ATTEMPT_COUNT%', '7 1'],
    ['%STREAM_ID%', 'f1e2d3c4-0000-4000-8000-000000000001'],
    ['%ENVIRONMENT(POD):7% %ENVIRONMENT(NOPE)%', 'reviews -'],
    ['%HOSTNAME%', 'node-\u00c3\u00a9'],
    ['%GRPC_STATUS%', '-'],
    ['%DYNAMIC_METADATA(a:b)% %FILTER_STATE(x:PLAIN)% %VIRTUAL_CLUSTER_NAME%', '- - -'],
    ['%DOWNSTREAM_PEER_URI_SAN% %UPSTREAM_PEER_SUBJECT%', '- -'],
    ['%ACCESS_LOG_TYPE%', 'DownstreamEnd'],
    ['%DOWNSTREAM_WIRE_BYTES_RECEIVED% %UPSTREAM_HEADER_BYTES_SENT%', '0 0'],
    [
      '%UPSTREAM_PROTOCOL% %UPSTREAM_CONNECTION_ID% %UPSTREAM_HOSTS_ATTEMPTED%',
      'HTTP/1.1 8 10.1.0.7:9080',
    ],
    ['%COMMON_DURATION(DS_RX_BEG:DS_TX_END)% %COMMON_DURATION(US_CX_BEG:US_CX_END:us)%', '12 500'],
    ['%COMMON_DURATION(US_RX_BEG:US_TX_BEG)% %COMMON_DURATION(DS_RX_BEG:x:ns)%', '- -'],
    ['%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(24)%', '10.1.0.0/24'],
    [
      '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(33)% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(x)%',
      '10.1.0.9/32 10.1.0.9',
    ],
    ['%DOWNSTREAM_DIRECT_LOCAL_ADDRESS% %DOWNSTREAM_DIRECT_LOCAL_PORT%', '10.1.0.5:9080 9080'],
    ['%QUERY_PARAMS%|%QUERY_PARAMS(DECODED):4%', 'full=yes|full'],
    ['%REQUESTED_SERVER_NAME%|%REQUESTED_SERVER_NAME(HOST_FIRST)%', '-|reviews:9080'],
    [
      '%COALESCE({"operators":["REQUESTED_SERVER_NAME",{"command":"REQ","param":"user-agent"}]}):4%',
      'curl',
    ],
    ['[%CUSTOM_FLAGS%%LOCAL_REPLY_BODY%]', '[]'],
    ['%START_TIME(%Y/%m/%d %H:%M:%S)%', '2024/01/31 12:34:56'],
    ['%START_TIME(%s.%3f|%6f|%9f|%f|%1f)%', '1706704496.789|789000|789000000|789000000|7'],
    [
      '%START_TIME(%e|%j|%a %b %p %I %y %D %T %F %R %z %Z)%',
      '31|031|Wed Jan PM 12 24 01/31/24 12:34:56 2024-01-31 12:34 +0000 UTC',
    ],
    ['%EMIT_TIME%', '2024-01-31T12:34:56.801Z'],
    ['é', '\u00c3\u00a9'],
  ];
  for (const [text, expected] of commands) {
    t.test(`prints ${text}`, (t) => {
      t.equal(print(text), expected);
      t.end();
    });
  }

  t.test('prints flags, details with their spaces replaced, and reasons', (t) => {
    const info = sampleInfo();
    info.setFlag('URX');
    info.setFlag('UF');
    info.responseCodeDetails = 'upstream_reset{connection refused}';
    info.upstreamTransportFailureReason = 'delayed connect error: Connection refused';
    const entry = sampleEntry({ info });
    t.equal(
      print(
        '%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG% %RESPONSE_CODE_DETAILS% %UPSTREAM_TRANSPORT_FAILURE_REASON%',
        entry,
      ),
      'URX,UF UpstreamRetryLimitExceeded,UpstreamConnectionFailure upstream_reset{connection_refused} ' +
        'delayed_connect_error:_Connection_refused',
    );
    t.equal(
      print('%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%', entry),
      'upstream_reset{connection refused}',
    );
    t.end();
  });

  t.test('prints a TCP session', (t) => {
    const info = sampleInfo();
    info.protocol = '';
    info.responseCode = 0;
    info.requestCompleteMs = NaN;
    const entry = {
      info,
      requestHeaders: undefined,
      responseHeaders: undefined,
      responseTrailers: undefined,
      type: 'TcpConnectionEnd',
      localReplyBody: '',
    } as const;
    t.equal(
      print(
        '%PROTOCOL% %REQ(:METHOD)% %RESPONSE_CODE% %BYTES_SENT% %REQUEST_DURATION% %ACCESS_LOG_TYPE%',
        entry,
      ),
      '- - 0 5 - TcpConnectionEnd',
    );
    t.match(print('%STREAM_ID%', entry), /^[0-9a-f-]{36}$/);
    t.end();
  });

  t.test('takes the gRPC status from trailers, headers, then the HTTP code', (t) => {
    const grpc = requestHeaders([['content-type', 'application/grpc+proto']]);
    const trailers = new HeaderMap();
    trailers.push(headerName('grpc-status'), '14');
    const format = '%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER%';
    const inTrailers = sampleEntry({ requestHeaders: grpc, responseTrailers: trailers });
    t.equal(print(format, inTrailers), 'Unavailable UNAVAILABLE 14');
    const inHeaders = sampleEntry({
      requestHeaders: grpc,
      responseHeaders: responseHeaders([['grpc-status', '0']]),
    });
    t.equal(print(format, inHeaders), 'OK OK 0');
    t.equal(print(format, sampleEntry({ requestHeaders: grpc })), 'Unknown UNKNOWN 2');
    const odd = responseHeaders([['grpc-status', 'x1']]);
    t.equal(
      print(format, sampleEntry({ requestHeaders: grpc, responseHeaders: odd })),
      'InvalidCode InvalidCode -1',
    );
    t.end();
  });

  t.test('lets no value forge a second line', (t) => {
    const hostile = requestHeaders([
      ['user-agent', 'a\r\n[2024] "GET / HTTP/1.1" 200\u0000\u001b[31m'],
    ]);
    hostile.path = '/?q=x%0A%0d%00y';
    const line = print(
      '%REQ(USER-AGENT)% %QUERY_PARAM(q)%\n',
      sampleEntry({ requestHeaders: hostile }),
    );
    t.equal(line, 'a\\r\\n[2024] "GET / HTTP/1.1" 200\\x00\\x1b[31m x\\n\\r\\x00y\n');
    t.end();
  });

  t.test('turns names beyond latin1 into UTF-8 bytes, so that none of them is a newline', (t) => {
    const info = sampleInfo();
    info.route = sampleRoute('\u010a\u010d');
    t.equal(print('%ROUTE_NAME%', sampleEntry({ info })), '\u00c4\u008a\u00c4\u008d');
    t.end();
  });

  t.test('keeps the newlines of the format itself', (t) => {
    t.equal(print('a\nb %RESPONSE_CODE%\r\n'), 'a\nb 200\r\n');
    t.end();
  });

  t.test('leaves missing values empty for header values and omit_empty_values', (t) => {
    const format = compileFormat('[%REQ(nope)%|%RESPONSE_FLAGS%|%HOSTNAME%]', { missing: '' });
    t.equal(format.format(sampleEntry()), '[|-|-]');
    t.end();
  });

  for (const [form, names] of Object.entries(commandForms)) {
    t.test(`knows Envoy's commands of the form ${form}, and takes no other form`, (t) => {
      for (const name of names) {
        const args = ARGUMENTS.get(name) ?? 'a';
        const text = (parentheses: boolean, length: boolean): string =>
          `%${name}${parentheses ? `(${args})` : ''}${length ? ':3' : ''}%`;
        const takes = (parentheses: boolean, length: boolean): boolean => {
          try {
            compileFormat(text(parentheses, length));
            return true;
          } catch {
            return false;
          }
        };
        const bare = !form.startsWith('required') && !NEEDS_ARGUMENTS.has(name);
        t.equal(takes(false, false), bare, text(false, false));
        t.equal(takes(true, false), form !== 'bare', text(true, false));
        t.equal(takes(true, true), form.endsWith('-length'), text(true, true));
      }
      t.end();
    });
  }

  t.test('cuts the query where the formatter extension is listed', (t) => {
    const format = compileFormat('%REQ_WITHOUT_QUERY(:PATH):4%', { reqWithoutQuery: true });
    t.equal(format.format(sampleEntry()), '/rev');
    t.end();
  });

  const mistakes: readonly (readonly [string, RegExp])[] = [
    ['%REQ(a b)%', /contains invalid characters/],
    ['%REQ_WITHOUT_QUERY(:PATH)%', /Not supported field in StreamInfo: REQ_WITHOUT_QUERY/],
    ['%CEL(request.path)%', /CEL: CEL expressions are not supported/],
    ['%COMMON_DURATION(DS_RX_BEG:DS_TX_END:s)%', /Invalid common duration precision: s\./],
    ['%COMMON_DURATION(DS_RX_BEG)%', /Invalid common duration configuration: DS_RX_BEG\./],
    ['%METADATA(CONNECTION:a:b)%', /CONNECTION is not supported type of metadata/],
    ['%FILTER_STATE(a:FIELD)%', /FIELD should be used with the field name/],
    [
      '%COALESCE({"operators":[{"command":"NOPE"}]})%',
      /operator at index 0: unknown command: 'NOPE'/,
    ],
    ['%NOPE%', /Not supported field in StreamInfo: NOPE/],
    ['%constructor%', /Couldn't find valid command at position 0/],
    [
      'a %REQ(x% b',
      /Incorrect configuration: a %REQ\(x% b\. Couldn't find valid command at position 2/,
    ],
    ['%REQ%', /REQ requires parameters/],
    ['%REQ(a?b?c)%', /More than 1 alternative header/],
    ['%DURATION(x)%', /DURATION does not take any parameters or length/],
    ['%PROTOCOL:3%', /PROTOCOL does not take any parameters or length/],
    ['%START_TIME(%Y%n)%', /Format string contains newline/],
    ['%GRPC_STATUS(X)%', /only supports CAMEL_STRING, SNAKE_STRING or NUMBER\. Got: X/],
    ['%PATH(X)%', /Invalid PATH option/],
    ['50%', /Couldn't find valid command at position 2/],
  ];
  for (const [text, message] of mistakes) {
    t.test(`refuses ${text}`, (t) => {
      t.throws(() => compileFormat(text), { message });
      t.end();
    });
  }
  t.end();
});
