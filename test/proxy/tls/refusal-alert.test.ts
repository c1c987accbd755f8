// Alerts that are written past OpenSSL: the keys of RFC 8448 §3, codes by what is refused.
import { createDecipheriv } from 'node:crypto';
import t from 'tap';

import {
  alertOf,
  plainAlert,
  sealedAlert,
  trafficSecretOf,
} from '../../../proxy/tls/refusal-alert.ts';

const SECRET = 'a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643';
const KEY = '9f02283b6c9c07efc26bb9f2ac92e356';
const IV = 'cf782b88dd83549aadf1e984';

t.test('sealedAlert is the first record under a traffic secret', (t) => {
  const record = sealedAlert(48, 'TLS_AES_128_GCM_SHA256', Buffer.from(SECRET, 'hex'))!;
  t.equal(record.subarray(0, 5).toString('hex'), '1703030013');
  const open = createDecipheriv('aes-128-gcm', Buffer.from(KEY, 'hex'), Buffer.from(IV, 'hex'));
  open.setAAD(record.subarray(0, 5)).setAuthTag(record.subarray(-16));
  const text = Buffer.concat([open.update(record.subarray(5, -16)), open.final()]);
  t.same([...text], [2, 48, 21], 'fatal, unknown_ca, and that it is an alert');
  t.equal(sealedAlert(48, 'TLS_AES_128_CCM_SHA256', Buffer.from(SECRET, 'hex')), null);
  t.end();
});

t.test('plainAlert', (t) => {
  t.equal(plainAlert(46).toString('hex'), '1503030002022e');
  t.end();
});

t.test('trafficSecretOf takes the one that counts', (t) => {
  const line = (label: string): Buffer => Buffer.from(`${label} ${'ab'.repeat(32)} ${SECRET}`);
  t.equal(trafficSecretOf(line('SERVER_TRAFFIC_SECRET_0'))?.toString('hex'), SECRET);
  t.equal(trafficSecretOf(line('SERVER_HANDSHAKE_TRAFFIC_SECRET')), null);
  t.equal(trafficSecretOf(line('CLIENT_TRAFFIC_SECRET_0')), null);
  t.equal(trafficSecretOf(Buffer.from('SERVER_TRAFFIC_SECRET_0 ')), null);
  t.end();
});

t.test('alertOf', (t) => {
  const chain = (words: string) => ({
    stat: 'failVerifyError' as const,
    detail: `X509_verify_cert: certificate verification error at depth 0: ${words}`,
  });
  t.equal(alertOf(chain('certificate has expired')), 45);
  t.equal(alertOf(chain('unable to get local issuer certificate')), 48);
  t.equal(alertOf({ stat: 'failVerifySan', detail: 'SAN matcher' }), 46);
  t.equal(alertOf({ stat: 'failVerifyCertHash', detail: 'cert hash and spki' }), 114);
  t.end();
});
