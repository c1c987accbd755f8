// A ClientHello, whole and cut at every byte.
import t from 'tap';

import { readClientHello } from '../../../proxy/tls/client-hello.ts';
import { caughtHello } from '../../support/caught-hello.ts';
import { chosenGroup, takesEcdsa } from '../../../proxy/tls/tls-groups.ts';

const hello = await caughtHello({
  servername: 'A.example.com',
  ALPNProtocols: ['istio', 'h2'],
  ecdhCurve: 'X25519:P-256',
});

t.test('readClientHello', (t) => {
  const read = readClientHello(hello);
  t.match(read, {
    serverName: 'a.example.com',
    applicationProtocols: ['istio', 'h2'],
    groups: [29, 23],
    keyShares: [29],
    versions: [0x0304, 0x0303],
  });
  if (typeof read === 'string') throw new Error(read);
  t.ok(takesEcdsa(read));
  t.equal(chosenGroup(read, ['X25519MLKEM768', 'X25519', 'P-256'], 'TLSv1.3'), 'X25519');
  t.equal(chosenGroup(read, ['P-256', 'X25519'], 'TLSv1.3'), 'X25519', 'a share that is there');
  t.equal(chosenGroup(read, ['P-256', 'X25519'], 'TLSv1.2'), 'P-256');
  t.equal(chosenGroup(read, ['P-384'], 'TLSv1.3'), '');
  for (let length = 0; length < hello.length; length++)
    if (readClientHello(hello.subarray(0, length)) !== 'wait') t.fail(`cut at ${length}`);
  t.equal(readClientHello(Buffer.from('GET / HTTP/1.1')), 'no');
  t.equal(readClientHello(Buffer.from([0x16, 3, 1, 0, 0])), 'no', 'an empty record');
  t.equal(readClientHello(Buffer.from([0x16, 3, 1, 0, 4, 2, 0, 0, 0])), 'no', 'another message');
  t.equal(
    readClientHello(Buffer.from([0x16, 3, 1, 0, 4, 1, 0xff, 0, 0])),
    'long',
    '16 MB of hello',
  );
  // Whatever byte is another: no error, and no endless wait for a message that is complete.
  for (let at = 5; at < hello.length; at++) {
    const changed = Buffer.from(hello);
    changed[at] = 0xff;
    readClientHello(changed);
  }
  t.end();
});
