// [w] header_mutation: what the differential suite does not show (test/differential/cases/filters-header-mutation.test.ts has the rest).
import t from 'tap';
import type { QueryOperationConfig } from '../../../../proxy/config/header-mutation-filter-config.ts';
import { HeaderMutationFilterFactory } from '../../../../proxy/filters/http/header-mutation.ts';
import { HeaderOperations } from '../../../../proxy/router/header-operations.ts';
import { QueryMutations } from '../../../../proxy/filters/http/query-mutations.ts';
import { FilterStatus } from '../../../../proxy/http/http-filter.ts';
import { NO_ENVIRONMENT } from '../../../../proxy/router/route-environment.ts';
import { RouterHarness, ScriptedClient } from '../../../support/router-harness.ts';
import { linesOf, request, response, streamInfo } from '../../../support/route-samples.ts';

const NOTHING = { request: [], requestTrailers: [], response: [], responseTrailers: [], query: [] };

t.test('QueryMutations', async (t) => {
  const mutated = (path: string, ...operations: QueryOperationConfig[]): string => {
    const headers = request([[':path', path]]);
    new QueryMutations(operations, 'query', NO_ENVIRONMENT).mutate(headers, streamInfo());
    return headers.path;
  };
  const remove = (name: string) => ({ kind: 'remove', name }) as const;

  t.test('never decodes what came encoded', async (t) => {
    t.equal(mutated('/p?b=%0d%0ax:%20y&a=%26', remove('r')), '/p?a=%26&b=%0d%0ax:%20y');
  });

  t.test('finds a name however it is encoded', async (t) => {
    t.equal(mutated('/p?%61=1&a=2&b=3', remove('a')), '/p?b=3');
  });

  t.test('takes no name for a property of objects', async (t) => {
    t.equal(
      mutated('/p?__proto__=1&constructor=2', remove('toString')),
      '/p?__proto__=1&constructor=2',
    );
  });
});

t.test('HeaderOperations', async (t) => {
  t.test('removes every line of every name that matches, wherever they are', async (t) => {
    const match = { kind: 'prefix', value: 'x-', ignoreCase: false } as const;
    const operations = new HeaderOperations(
      [{ kind: 'remove_on_match', match }],
      'at',
      NO_ENVIRONMENT,
    );
    const headers = request([
      ['x-a', '1'],
      ['b', '1'],
      ['x-c', '1'],
      ['x-a', '2'],
      ['d', '1'],
      ['x-a', '3'],
    ]);
    operations.apply(headers, { request: headers, response: null, info: streamInfo() });
    t.same(linesOf(headers), ['b: 1', 'd: 1']);
  });
});

t.test('HeaderMutationFilter', async (t) => {
  const factory = (mutations: Partial<typeof NOTHING>) =>
    new HeaderMutationFilterFactory(
      'm',
      {
        kind: 'header_mutation',
        mutations: { ...NOTHING, ...mutations },
        mostSpecificWins: false,
      },
      new RouterHarness().context,
    );
  const client = () => {
    const headers = request();
    const route = new RouterHarness().table.route(headers, streamInfo());
    return new ScriptedClient(headers, route, streamInfo());
  };

  t.test('is not there when there is nothing to do', async (t) => {
    t.equal(factory({}).createFilter(client()), null);
  });

  t.test('leaves the status of a reply of our own', async (t) => {
    const response_ = [{ kind: 'remove', name: ':status' }] as never[];
    const stream = client();
    stream.streamInfo.responseCodeDetails = 'direct_response';
    const headers = response(403);
    const filter = factory({ response: response_ }).createFilter(stream)!;
    t.equal(filter.encodeHeaders(headers, true), FilterStatus.Continue);
    t.same([headers.status, stream.reply], [403, null]);
  });
});
