// [b] URI templates, row by row as Envoy 1.40 answered.
import t from 'tap';
import { UriTemplate, UriTemplateRewriter } from '../../../proxy/router/uri-template.ts';

t.test('UriTemplate', async (t) => {
  t.test('matches whole paths', async (t) => {
    const cases: [template: string, matching: string, others: string][] = [
      ['/one/*', '/one/a /one/%41 /one/a*', '/one /one/ /one/a/b /one/a|b /one/a[b'],
      ['/two/**', '/two/ /two/a /two/a/b/ /two//a', '/two'],
      ['/three/{a}/{b=x/*}/c', '/three/A/x/B/c', '/three/A/y/B/c'],
      ['/four/*.m4s', '/four/a.m4s', '/four/.m4s /four/a/b.m4s /four/axm4s'],
      ['/five/{p=**}.mpd', '/five/a/b.mpd /five/.mpd /five/x.mpd.mpd', '/five/mpd'],
      ['/six/', '/six/', '/six'],
      ['/seven/{a=lit}', '/seven/lit', '/seven/li'],
      ['/a/{x}y', '/a/Qy', '/a/Q /a/y /a/QyR'],
      ['/b/{x}y*', '/b/Qy /b/Qyz /b/Qy*', '/b/Qyz/w'],
      ['/c*b', '/cb', '/c*b /cXb'],
      ['/d/**/b', '/d//b /d/x/b /d/x/y/b', '/d/b /d/xb'],
      ['/e/pre{x}', '/e/preA', '/e/pre /e/A'],
      ['/f{x}/b', '/fA/b', '/f/b'],
      ['/p+q', '/p+q', '/ppq'],
    ];
    for (const [template, matching, others] of cases) {
      const compiled = new UriTemplate(template, 'p');
      for (const path of matching.split(' ')) t.ok(compiled.matches(path), `${template} ${path}`);
      for (const path of others.split(' ')) t.notOk(compiled.matches(path), `${template} ${path}`);
    }
  });

  t.test('refuses what Envoy refuses', async (t) => {
    const refused = [
      ...['one/*', '/a//b', '/a/**/*', '/a/{x', '/a/*b/c', '/a/{1}', '/{a-b}', '/{}', '/{a=}'],
      ...['/{a}/{b}/{c}/{d}/{e}/{f}', '/{abcdefghijklmnopq}', '/{a}/{a}', '/a b', '/a?b', '/a#b'],
      ...['/{a={b}}', '/\u00e9', '/{a=/x}', '/{a=x/}', '/*/{a=*b}', '/{x}{y}', '/{x}-{y}', '/a}'],
      ...['/x{y=a/b}', '/**{x}', '/**/**', '/**/{b}', '/a/**.x/y'],
    ];
    for (const template of refused)
      t.throws(() => new UriTemplate(template, 'p'), { message: /p: path_template/ }, template);
  });
});

t.test('UriTemplateRewriter', async (t) => {
  t.test('puts what variables took into another path', async (t) => {
    const cases = [
      ['/three/{a}/{b=x/*}/c', '/re/{b}/{a}', '/three/A/x/B/c', '/re/x/B/A'],
      ['/five/{p=**}.mpd', '/5{p}', '/five/a/b.mpd', '/5a/b'],
      ['/nine/{v=**}', '/{v}', '/nine/', '/'],
      ['/a/{x}', '/{x}{x}', '/a/q', '/qq'],
      ['/a/{x}', '/b/*', '/a/q', '/b/*'],
    ] as const;
    for (const [template, rewrite, path, expected] of cases) {
      const rewriter = new UriTemplateRewriter(rewrite, new UriTemplate(template, 'p'), 'r');
      t.equal(rewriter.rewrite(path), expected, `${template} ${rewrite}`);
    }
  });

  t.test('refuses what Envoy refuses', async (t) => {
    const template = new UriTemplate('/a/{x}', 'p');
    for (const rewrite of [
      '/{y}',
      '{x}',
      '/b//{x}',
      '/{x',
      '/x}',
      '/\u00e9',
      '/b c',
      '/a?b',
      '/{}',
    ])
      t.throws(() => new UriTemplateRewriter(rewrite, template, 'r'), { message: /^r: / }, rewrite);
  });
});
