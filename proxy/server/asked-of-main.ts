// [w] AskedOfMain: what a worker does not know and asks main for when a request needs it: hosts of dynamic forward proxies, clusters on demand.
import type { TimeSource } from '../base/clock.ts';
import type { TimerWheel } from '../base/timer-wheel.ts';
import { ClusterDiscovery } from '../upstream/cluster-discovery.ts';
import { ForwardHosts } from '../upstream/forward-hosts.ts';
import type { FromWorker, ToWorker } from './worker-protocol.ts';

export class AskedOfMain {
  readonly forwardHosts: ForwardHosts;
  readonly clusterDiscovery: ClusterDiscovery;

  constructor(time: TimeSource, timers: TimerWheel, post: (message: FromWorker) => void) {
    this.forwardHosts = new ForwardHosts(time, {
      askForHost: (cache, host) => post({ kind: 'forward_lookup', cache, host }),
      reportUse: (cache, host) => post({ kind: 'forward_used', cache, host }),
    });
    this.clusterDiscovery = new ClusterDiscovery(timers, (cluster, ref) =>
      post({ kind: 'cluster_wanted', cluster, ref }),
    );
  }

  onAnswer(message: Extract<ToWorker, { kind: 'forward_hosts' | 'cluster_missing' }>): void {
    if (message.kind === 'cluster_missing')
      this.clusterDiscovery.onOutcome(message.cluster, 'missing');
    else this.forwardHosts.update(message.cache, message.hosts, message.removed);
  }
}
