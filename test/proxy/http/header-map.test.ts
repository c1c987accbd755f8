// HeaderMap: order, duplicates, joined values, and masks that never lie.
import t from 'tap';
import { HeaderMap, RequestHeaders } from '../../../proxy/http/header-map.ts';
import { H, headerName, wireHeaderName } from '../../../proxy/http/headers.ts';

function dump(map: HeaderMap): string[] {
  return Array.from({ length: map.size }, (_, i) => `${map.nameAt(i).text}=${map.valueAt(i)}`);
}

t.test('HeaderMap', (t) => {
  t.test('keeps order and lets unknown names stand several times', (t) => {
    const map = new HeaderMap();
    map.append(wireHeaderName('x-b'), '1');
    map.append(H.via, 'a');
    map.append(wireHeaderName('x-b'), '2');
    map.append(H.via, 'b');
    t.strictSame(dump(map), ['x-b=1', 'via=a,b', 'x-b=2']);
    t.strictSame(map.getAll(headerName('x-b')), ['1', '2']);
    t.end();
  });
  t.test('set replaces in place and drops the others', (t) => {
    const map = new HeaderMap();
    const name = headerName('x-c');
    map.push(name, '1');
    map.push(H.te, 'trailers');
    map.push(wireHeaderName('x-c'), '2');
    map.set(name, '3');
    t.strictSame(dump(map), ['x-c=3', 'te=trailers']);
    t.end();
  });
  t.test('remove clears all lines and the mask with them', (t) => {
    const map = new HeaderMap();
    map.push(H.cookie, 'a');
    map.push(headerName('x'), '1');
    map.push(H.cookie, 'b');
    t.ok(map.remove(H.cookie));
    t.notOk(map.has(H.cookie));
    t.notOk(map.remove(H.cookie));
    t.strictSame(dump(map), ['x=1']);
    map.push(H.cookie, 'c');
    t.equal(map.get(H.cookie), 'c');
    t.end();
  });
  t.test('gives every well-known name a bit of its own', (t) => {
    const seen = new Set<string>();
    for (const name of Object.values(H)) {
      if (name.bit === 0) continue;
      t.notOk(seen.has(`${name.word}/${name.bit}`), name.text);
      seen.add(`${name.word}/${name.bit}`);
      const map = new HeaderMap();
      map.push(name, 'v');
      t.equal(
        Object.values(H).filter((other) => map.has(other)).length,
        1,
        `${name.text} alone is there`,
      );
    }
    t.end();
  });
  t.test('finds a name that configuration registered after the wire brought it', (t) => {
    const map = new HeaderMap();
    map.push(wireHeaderName('x-late-name'), 'v');
    t.equal(map.get(headerName('x-late-name')), 'v');
    t.end();
  });
  t.end();
});

t.test('RequestHeaders', (t) => {
  t.test('answers for pseudo headers and host', (t) => {
    const headers = new RequestHeaders();
    headers.method = 'GET';
    headers.path = '/p';
    headers.authority = 'a:1';
    t.equal(headers.getAny(headerName(':method')), 'GET');
    t.equal(headers.getAny(headerName(':authority')), 'a:1');
    t.equal(headers.getAny(headerName('host')), 'a:1');
    t.equal(headers.getAny(headerName(':scheme')), undefined);
    t.end();
  });
  t.test('clones deeply enough for another attempt', (t) => {
    const headers = new RequestHeaders();
    headers.path = '/a';
    headers.push(H.via, '1');
    const copy = headers.clone();
    copy.set(H.via, '2');
    copy.path = '/b';
    t.equal(headers.get(H.via), '1');
    t.equal(headers.path, '/a');
    t.end();
  });
  t.end();
});
