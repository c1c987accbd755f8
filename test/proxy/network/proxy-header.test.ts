// Headers of the PROXY protocol: cut at every byte, written and read again, and what is none.
import t from 'tap';

import { parseProxyHeader, printProxyHeader } from '../../../proxy/network/proxy-header.ts';
import type { ProxyHeader } from '../../../proxy/stream-info/proxy-facts.ts';

const V4 = {
  source: { ip: '10.1.2.3', port: 5000 },
  destination: { ip: '10.4.5.6', port: 80 },
};
const V6 = {
  source: { ip: '1::2', port: 65_535 },
  destination: { ip: '3::4', port: 0 },
};
const NOBODY = { source: null, destination: null };

const HEADERS: readonly ProxyHeader[] = [
  { version: 1, ...V4, tlvs: [] },
  { version: 1, ...V6, tlvs: [] },
  { version: 1, ...NOBODY, tlvs: [] },
  { version: 2, ...V4, tlvs: [] },
  {
    version: 2,
    ...V6,
    tlvs: [
      { type: 2, value: 'a\xff' },
      { type: 255, value: '' },
    ],
  },
  { version: 2, ...NOBODY, tlvs: [] },
];

t.test('proxy headers', (t) => {
  for (const header of HEADERS) {
    const text = printProxyHeader(header);
    const bytes = Buffer.from(`${text}rest`, 'latin1');
    t.same(parseProxyHeader(bytes), { header, byteCount: text.length }, JSON.stringify(header));
    for (let end = 0; end < text.length; end++)
      t.equal(parseProxyHeader(bytes.subarray(0, end)), 'wait', `cut at ${end}`);
  }
  t.end();
});

t.test('what is no header', (t) => {
  for (const text of ['GET / HTTP/1.1\r\n', 'PROXZ', '\r\n\r\nGET', 'P\r\n', '\x16\x03\x01'])
    t.equal(parseProxyHeader(Buffer.from(text, 'latin1')), 'none', JSON.stringify(text));
  t.equal(parseProxyHeader(Buffer.from(`PROXY ${'1'.repeat(101)}`)), 'none', 'no line within 107');
  t.end();
});

t.test('what is a bad one', (t) => {
  const v4 = 'PROXY TCP4 1.2.3.4 5.6.7.8';
  for (const text of [
    `${v4} 1\r\n`,
    `${v4} 1 65536\r\n`,
    `${v4} 1 -2\r\n`,
    `${v4} 1  2\r\n`,
    `${v4} 1 2 \r\n`,
    'PROXY TCP4 1.2.3.4.5 5.6.7.8 1 2\r\n',
    'PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n',
    'PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n',
    'PROXY \r\n',
  ])
    t.same(parseProxyHeader(Buffer.from(text)), { bad: 1 }, JSON.stringify(text));
  t.end();
});

t.test('addresses of different families are said by nobody', (t) => {
  const mixed = { source: V4.source, destination: V6.destination, tlvs: [] };
  t.equal(printProxyHeader({ version: 1, ...mixed }), 'PROXY UNKNOWN\r\n');
  t.match(printProxyHeader({ version: 2, ...mixed }), /QUIT\n\x20\0\0\0$/);
  t.end();
});

t.test('TLVs that do not fit are left out', (t) => {
  const tlvs = [
    { type: 1, value: 'x'.repeat(65_000) },
    { type: 2, value: 'y'.repeat(600) },
    { type: 3, value: 'z' },
  ];
  const text = printProxyHeader({ version: 2, ...V4, tlvs });
  const parsed = parseProxyHeader(Buffer.from(text, 'latin1'));
  t.match(parsed, { header: { tlvs: [{ type: 1 }, { type: 3, value: 'z' }] } });
  t.end();
});
