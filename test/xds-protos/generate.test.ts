// generate.ts: that gen/ is what the generator makes of the installed .proto files.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { isMessageName } from '../../xds-protos/any.ts';
import { getEnum, getMessage } from '../../xds-protos/descriptor-table.ts';
import { generate, generatedFolder } from '../../xds-protos/generate.ts';
import { rootMessages } from '../../xds-protos/generator/roots.ts';

t.test('gen/', (t) => {
  const files = generate();
  t.strictSame(
    readdirSync(generatedFolder).sort(),
    [...files.keys()].sort(),
    'has the files that are generated',
  );
  for (const [name, text] of files) {
    const isEqual = readFileSync(path.join(generatedFolder, name), 'utf8') === text;
    t.ok(isEqual, `${name} is up to date (npm run generate:protos)`);
  }
  t.end();
});

t.test('descriptor table', (t) => {
  t.test('knows every root message', (t) => {
    for (const [packageName, names] of Object.entries(rootMessages)) {
      for (const name of names)
        t.ok(isMessageName(`${packageName}.${name}`), `${packageName}.${name}`);
    }
    t.end();
  });

  t.test('resolves every field of every message', (t) => {
    const text = readFileSync(path.join(generatedFolder, 'descriptors.txt'), 'utf8');
    const names = text.split('\n').map((line) => line.slice(0, line.indexOf(' ')));
    for (const name of names.filter((name) => name !== '' && !name.startsWith('#'))) {
      for (const field of getMessage(name).fields) {
        if (field.code === '>') getMessage(field.typeName);
        if (field.code === '#') getEnum(field.typeName);
      }
    }
    t.pass();
    t.end();
  });

  t.test('knows no message by a name that is none', (t) => {
    for (const name of [
      '',
      '__proto__',
      'toString',
      '#envoy.type.v3.CodecClientType',
      'envoy.config',
      'envoy.config.cluster.v3.cluster',
    ]) {
      t.equal(isMessageName(name), false, name);
    }
    t.end();
  });
  t.end();
});
