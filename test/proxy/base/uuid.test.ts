// Random UUIDs: form, and none twice across several refills of the pool.
import t from 'tap';
import { randomUuid } from '../../../proxy/base/uuid.ts';

t.test('randomUuid', async (t) => {
  const seen = new Set<string>();
  for (let count = 0; count < 2000; count++) seen.add(randomUuid());
  t.equal(seen.size, 2000, 'gives no id twice');
  const malformed = [...seen].filter(
    (id) => !/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id),
  );
  t.strictSame(malformed, [], 'gives version 4, variant 10');
});
