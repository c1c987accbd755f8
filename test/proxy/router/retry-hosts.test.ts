// [w] Which hosts and priorities retries choose (envoy-behaviour §4.5).
import t from 'tap';
import type { RetryHostPredicateConfig } from '../../../proxy/config/route-config.ts';
import { PreviousPriorities } from '../../../proxy/router/previous-priorities.ts';
import { compileHostPredicates } from '../../../proxy/router/retry-host-predicates.ts';
import { Host } from '../../../proxy/upstream/host.ts';
import { sampleEndpoint } from '../../support/config-samples.ts';

const host = (address: string, labels = '', priority = 0): Host => {
  const metadata = new Map(labels === '' ? [] : [['envoy.lb', labels] as const]);
  return new Host(sampleEndpoint(address, 80, { metadata }), priority);
};

t.test('Host predicates', async (t) => {
  const omitted = (
    config: RetryHostPredicateConfig,
    candidate: Host,
    tried: Host[] = [],
  ): boolean => compileHostPredicates([config])[0]!(candidate, tried);

  t.test('pass over hosts that were tried, by address', async (t) => {
    const tried = [host('10.0.0.1'), host('10.0.0.2')];
    t.ok(omitted({ kind: 'previous_hosts' }, host('10.0.0.2'), tried));
    t.notOk(omitted({ kind: 'previous_hosts' }, host('10.0.0.3'), tried));
  });

  t.test('pass over canaries', async (t) => {
    const cases: [string, boolean][] = [
      ['{"canary":true}', true],
      ['{"canary":false}', false],
      ['{"canary":"true"}', false],
      ['{}', false],
      ['', false],
    ];
    for (const [labels, expected] of cases)
      t.equal(omitted({ kind: 'omit_canary_hosts' }, host('10.0.0.1', labels)), expected, labels);
  });

  t.test('pass over hosts with labels', async (t) => {
    const cases: [[string, string][], string, boolean][] = [
      [[['a', '"1"']], '{"a":"1","b":"2"}', true],
      [[['a', '"1"']], '{"a":1}', false],
      [
        [
          ['a', '"1"'],
          ['b', '2'],
        ],
        '{"a":"1"}',
        false,
      ],
      [[['a', '"1"']], '{"a":["0","1"]}', true],
      [[['a', '"1"']], '{"a":["0"]}', false],
      [[['a', 'null']], '{}', false],
      [[['__proto__', '{}']], '{}', false],
      [[], '{"a":"1"}', false],
      [[['a', '"1"']], '', false],
    ];
    for (const [match, labels, expected] of cases) {
      const config = { kind: 'omit_host_metadata', match: new Map(match) } as const;
      t.equal(
        omitted(config, host('10.0.0.1', labels)),
        expected,
        `${JSON.stringify(match)} ${labels}`,
      );
    }
  });
});

t.test('Previous priorities', async (t) => {
  const at = (priority: number): Host => host(`10.0.0.${priority}`, '', priority);

  t.test('leave those that were tried', async (t) => {
    const priorities = new PreviousPriorities(1);
    t.equal(priorities.loads([100, 100, 100]), null, 'nothing was tried');
    priorities.onHostTried(at(0));
    t.same(priorities.loads([100, 100, 100]), [0, 100, 0]);
    priorities.onHostTried(at(1));
    t.same(priorities.loads([100, 100, 100]), [0, 0, 100]);
  });

  t.test('spread over what is available', async (t) => {
    const priorities = new PreviousPriorities(1);
    priorities.onHostTried(at(0));
    t.same(priorities.loads([100, 40, 20]), [0, 67, 33]);
    t.same(priorities.loads([100, 0, 30]), [0, 0, 100]);
    t.same(priorities.loads([100, 70, 70]), [0, 70, 30]);
  });

  t.test('start over when all were tried, and give up where nothing is available', async (t) => {
    const priorities = new PreviousPriorities(1);
    priorities.onHostTried(at(0));
    priorities.onHostTried(at(1));
    t.same(priorities.loads([60, 40]), [60, 40]);
    t.equal(new PreviousPriorities(1).loads([0, 0]), null);
    const hopeless = new PreviousPriorities(1);
    hopeless.onHostTried(at(0));
    t.equal(hopeless.loads([0, 0]), null);
  });

  t.test('wait for as many attempts as their frequency says', async (t) => {
    const priorities = new PreviousPriorities(2);
    priorities.onHostTried(at(0));
    t.equal(priorities.loads([100, 100]), null);
    priorities.onHostTried(at(0));
    t.same(priorities.loads([100, 100]), [0, 100]);
    priorities.onHostTried(at(1));
    t.same(priorities.loads([100, 100]), [0, 100], 'until the fourth');
  });
});
