// Paths, methods and queries of the admin port, and the endpoints that command something.
import t from 'tap';
import { dispatchAdmin } from '../../../../proxy/server/admin/admin-dispatch.ts';
import { ADMIN_ROUTES } from '../../../../proxy/server/admin/admin-routes.ts';
import { adminFixture } from '../../../support/admin-context.ts';
import type { AdminResponse } from '../../../../proxy/server/admin/admin-endpoint.ts';

const TEXT = 'text/plain; charset=UTF-8';

t.test('dispatchAdmin', async (t) => {
  const { context, commands } = await adminFixture();
  const ask = (target: string, method = 'GET', form = ''): Promise<AdminResponse> =>
    dispatchAdmin(context, { method, target, form });

  t.test('answers an unknown path with the list of known ones', async (t) => {
    const { status, body, contentType } = await ask('/nope');
    t.equal(status, 404);
    t.equal(contentType, TEXT);
    t.match(body, /^invalid path\. admin commands are:\n {2}\/: /);
    t.equal((await ask('/Ready')).status, 404, 'paths are exact');
    t.equal((await ask('/__proto__')).status, 404);
  });

  t.test('asks for POST where something changes', async (t) => {
    for (const { path, mutates } of ADMIN_ROUTES) {
      const { status, body } = mutates
        ? await ask(path)
        : { status: 405, body: 'Method GET not allowed, POST required.' };
      t.equal(status, 405, path);
      t.equal(body, 'Method GET not allowed, POST required.');
    }
    t.same(commands, []);
  });

  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['/drain_listeners', ['drain {"inboundOnly":false,"graceful":false,"skipExit":false}']],
    [
      '/drain_listeners?graceful&inboundonly=false',
      ['drain {"inboundOnly":true,"graceful":true,"skipExit":false}'],
    ],
    [
      '/drain_listeners?skip_exit',
      ['drain {"inboundOnly":false,"graceful":false,"skipExit":true}'],
    ],
    ['/healthcheck/fail', ['health true']],
    ['/healthcheck/ok', ['health false']],
    ['/reset_counters', ['reset']],
    ['/reopen_logs', ['reopen']],
    ['/quitquitquit', ['quit']],
  ];
  for (const [target, expected] of cases) {
    t.test(`carries out ${target}`, async (t) => {
      commands.length = 0;
      const { status, body } = await ask(target, 'POST');
      t.equal(status, 200);
      t.equal(body, 'OK\n');
      t.same(commands, expected);
    });
  }

  t.test('takes parameters from a form where the target has none', async (t) => {
    commands.length = 0;
    await ask('/drain_listeners', 'POST', 'graceful=&skip_exit=');
    t.same(commands, ['drain {"inboundOnly":false,"graceful":true,"skipExit":true}']);
  });

  t.test('refuses endless queries', async (t) => {
    t.equal((await ask(`/stats?filter=${'a'.repeat(20_000)}`)).status, 400);
    t.equal((await ask(`/stats?filter=${'a'.repeat(2_000)}`)).status, 400);
    t.equal((await ask(`/stats?filter=${encodeURIComponent('((a{999}){999}){999}')}`)).status, 400);
  });

  t.test('turns a failure of an endpoint into a 500', async (t) => {
    const broken = { ...context, collectStats: () => Promise.reject(new Error('no stats')) };
    const { status, body } = await dispatchAdmin(broken, {
      method: 'GET',
      target: '/stats',
      form: '',
    });
    t.equal(status, 500);
    t.equal(body, '/stats failed: no stats\n');
  });

  t.test('says no to runtime changes', async (t) => {
    t.equal((await ask('/runtime_modify?a=b', 'POST')).body, 'No admin layer specified');
    t.match(await ask('/runtime_modify', 'POST'), {
      status: 400,
      body: /^usage: \/runtime_modify\?key1=value1/,
    });
  });
});

t.test('help and home page', async (t) => {
  const { context } = await adminFixture();
  const ask = (target: string): Promise<AdminResponse> =>
    dispatchAdmin(context, { method: 'GET', target, form: '' });

  t.test('list all endpoints, sorted', async (t) => {
    const paths = ADMIN_ROUTES.map(({ path }) => path);
    t.same(paths, [...paths].sort());
    const { body } = await ask('/help');
    for (const { path, mutates } of ADMIN_ROUTES)
      t.match(body, `\n  ${path}${mutates ? ' (POST)' : ''}: `);
    t.match(body, '; One of (All, Counters, Histograms, Gauges, TextReadouts)\n');
  });

  t.test('show a page', async (t) => {
    const { body, contentType } = await ask('/');
    t.equal(contentType, 'text/html; charset=UTF-8');
    t.match(body, '<form action="quitquitquit" method="post"><button>/quitquitquit</button>');
    t.match(body, '<a href="clusters">/clusters</a>');
  });
});
