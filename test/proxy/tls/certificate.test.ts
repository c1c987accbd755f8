// Certificates as their bytes say; cut anywhere, or changed anywhere, they are read or refused, never more.
import { X509Certificate } from 'node:crypto';
import t from 'tap';

import {
  Certificate,
  certificatesOf,
  toPem,
  urlEncodedPem,
} from '../../../proxy/tls/certificate.ts';
import { DerError } from '../../../proxy/tls/der-reader.ts';
import { TestCertificate } from '../../support/test-certificates.ts';

const root = TestCertificate.root();
const leaf = root.issue({
  commonName: 'a,b "x" #é',
  names: [
    { uri: 'spiffe://td/ns/a/sa/b' },
    { dns: 'a.example.com\0.evil.com' },
    { dns: '*.b.example.com' },
    { email: 'x@y' },
    { ip: [10, 0, 0, 1] },
    { ip: [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] },
    { otherName: { oid: '1.2.3.4', value: 'o' } },
  ],
});

t.test('Certificate', (t) => {
  t.test('reads names, validity, key and purposes', (t) => {
    const read = new Certificate(leaf.der);
    t.strictSame(read.names, {
      ip: ['10.0.0.1', '2001:db8::1'],
      dns: ['a.example.com\0.evil.com', '*.b.example.com'],
      uri: ['spiffe://td/ns/a/sa/b'],
      email: ['x@y'],
      otherName: ['o'],
      otherNames: [{ oid: '1.2.3.4', value: 'o' }],
    });
    t.equal(read.subject, String.raw`CN=a\,b \"x\" #\C3\A9,O=org`);
    t.equal(read.issuer, 'CN=root,O=org');
    t.equal(read.serial, leaf.serial.toString('hex'));
    t.equal(read.fingerprint256, leaf.fingerprint);
    t.equal(read.spkiPin, leaf.spkiPin);
    t.match(read, { keyType: 'ecdsa', curve: 'P-256', isCa: false });
    t.ok(new Certificate(root.der).isCa);
    const known = new X509Certificate(leaf.der);
    t.equal(read.validToMs, Date.parse(known.validTo));
    t.equal(read.validFromMs, Date.parse(known.validFrom));
    t.equal(new X509Certificate(read.pem).fingerprint256, known.fingerprint256);
    t.equal(certificatesOf(leaf.pem + root.pem).length, 2);
    t.equal(toPem(leaf.der).split('\n').length, leaf.pem.split('\n').length);
    t.equal(urlEncodedPem('A B+/=\n'), 'A%20B%2B%2F%3D%0A');
    t.end();
  });

  t.test('refuses what is cut off anywhere, or goes on', (t) => {
    for (let length = 0; length < leaf.der.length; length++)
      t.throws(() => new Certificate(leaf.der.subarray(0, length)), DerError);
    t.throws(() => new Certificate(Buffer.concat([leaf.der, Buffer.of(0)])), DerError);
    t.throws(() => new Certificate(Buffer.alloc(70_000, 0x30)), DerError);
    t.end();
  });

  t.test('throws nothing else whatever byte is another', (t) => {
    for (let at = 0; at < leaf.der.length; at++) {
      for (const value of [0, 0x7f, 0x80, 0xff]) {
        const changed = Buffer.from(leaf.der);
        changed[at] = value;
        try {
          const read = new Certificate(changed);
          void read.subject;
        } catch (error) {
          if (!(error instanceof DerError)) t.fail(`byte ${at}: ${String(error)}`);
        }
      }
    }
    t.end();
  });

  t.test('has no subject where OpenSSL reads one that is not read here', (t) => {
    // An attribute of type 2.25.(2^128 - 1), a UUID; and a value with a length that is longer than it need be.
    const types = [
      '301d311b301906146983ffffffffffffffffffffffffffffffffff7f0c0178',
      '3010310e300c06035504030c810478787878',
    ];
    for (const hex of types) {
      const odd = root.issue({ subject: Buffer.from(hex, 'hex') });
      t.ok(new X509Certificate(odd.der).subject, 'OpenSSL reads it');
      t.equal(new Certificate(odd.der).subject, '');
      t.equal(new Certificate(odd.der).issuer, 'CN=root,O=org');
    }
    t.end();
  });

  t.test('refuses 2000 names', (t) => {
    const many = root.issue({ names: Array.from({ length: 2000 }, (_, i) => ({ dns: `n${i}` })) });
    t.throws(() => new Certificate(many.der), DerError);
    t.end();
  });
  t.end();
});
