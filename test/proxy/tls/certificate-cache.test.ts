// Certificates are read once, and what strangers show takes a bounded place.
import t from 'tap';

import { CertificateCache } from '../../../proxy/tls/certificate-cache.ts';
import { TestCertificate } from '../../support/test-certificates.ts';

t.test('CertificateCache', (t) => {
  const root = TestCertificate.root();
  const cache = new CertificateCache();
  const { der } = root.issue({});
  t.equal(cache.get(der), cache.get(Buffer.from(der)), 'the same bytes, the same object');
  const large = root.issue({ names: [{ dns: 'x'.repeat(10_000) }] }).der;
  t.equal(cache.get(large).names.dns[0]?.length, 10_000);
  t.not(cache.get(large), cache.get(large), 'a large one is not kept');
  t.end();
});
