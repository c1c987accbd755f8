// DynamicMetadata and FilterState: what filters leave for each other on a stream.
import t from 'tap';
import { DynamicMetadata } from '../../../proxy/stream-info/dynamic-metadata.ts';
import { FilterState } from '../../../proxy/stream-info/filter-state.ts';

t.test('DynamicMetadata', (t) => {
  t.test('finds a value by its path and nothing beside it', (t) => {
    const metadata = new DynamicMetadata();
    metadata.set('a.filter', 'claims', new Map([['sub', 'alice']]));
    t.equal(metadata.value('a.filter', ['claims', 'sub']), 'alice');
    t.equal(metadata.value('a.filter', ['claims', 'sub', 'deeper']), undefined);
    t.equal(metadata.value('a.filter', ['constructor']), undefined);
    t.equal(metadata.value('other', []), undefined);
    t.end();
  });

  t.test('replaces the keys that are merged and keeps the others', (t) => {
    const metadata = new DynamicMetadata();
    metadata.set('n', 'kept', 1);
    metadata.set('n', 'replaced', new Map([['x', 1]]));
    metadata.merge('n', new Map([['replaced', new Map([['y', 2]])]]));
    t.equal(metadata.value('n', ['kept']), 1);
    t.equal(metadata.value('n', ['replaced', 'x']), undefined);
    t.equal(metadata.value('n', ['replaced', 'y']), 2);
    t.end();
  });

  t.test('replaces a namespace without keeping hold of the struct', (t) => {
    const metadata = new DynamicMetadata();
    const struct = new Map([['x', 1]]);
    metadata.set('n', 'gone', true);
    metadata.replace('n', struct);
    metadata.set('n', 'y', 2);
    t.equal(metadata.value('n', ['gone']), undefined);
    t.equal(struct.size, 1);
    t.end();
  });
  t.end();
});

t.test('FilterState', (t) => {
  t.test('replaces an object', (t) => {
    const state = new FilterState();
    state.set('key', { text: 'first' });
    state.set('key', { text: 'second' });
    t.equal(state.get('key')?.text, 'second');
    t.equal(state.get('constructor'), undefined);
    t.end();
  });
  t.end();
});
