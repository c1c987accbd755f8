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
  t.end();
});

t.test('FilterState', (t) => {
  t.test('does not replace a read-only object', (t) => {
    const state = new FilterState();
    t.equal(state.set('key', { text: 'first' }, true), true);
    t.equal(state.set('key', { text: 'second' }), false);
    t.equal(state.get('key')?.text, 'first');
    t.end();
  });
  t.end();
});
