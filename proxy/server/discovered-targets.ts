// [m] What listeners leave to be discovered, joined with what it comes from and with the listeners that wait: settings of filters
// (ECDS), scopes of routes (SRDS).
import type { Closable } from '../base/lifetime.ts';
import type { Runtime } from '../base/runtime.ts';
import type { ConfigSourceConfig } from '../config/config-source.ts';
import type { ListenerTarget } from '../listener-manager/listener-targets.ts';
import { extensionProblem } from '../listener-manager/trial-compile.ts';
import type { StatsStore } from '../stats/store.ts';
import { ExtensionManager } from '../xds/extension-manager.ts';
import type { ExtensionManagerDeps } from '../xds/extension-manager.ts';
import { ScopeManager } from '../xds/scope-manager.ts';
import type { ScopeManagerDeps } from '../xds/scope-manager.ts';
import type { ServerDeps } from './server-deps.ts';
import { sourceProblem } from './source-check.ts';
import { decodingRules } from './static-notices.ts';

export interface DiscoveredTargets extends Closable {
  readonly extensions: ExtensionManager;
  readonly scopes: ScopeManager;
  readonly all: readonly ListenerTarget[];
}

export function wireTargets(
  {
    options,
    bootstrap,
    time,
    loggers,
  }: Pick<ServerDeps, 'options' | 'bootstrap' | 'time' | 'loggers'>,
  stats: StatsStore,
  runtime: Runtime,
  ends: Pick<ExtensionManagerDeps, 'onWanted' | 'onSettled'> & Pick<ScopeManagerDeps, 'open'>,
): DiscoveredTargets {
  const { clusters } = bootstrap.config;
  const parts = {
    ...ends,
    sourceProblem: (source: ConfigSourceConfig) => sourceProblem(source, clusters),
    time,
    stats,
    log: loggers.get('config'),
  };
  const extensions = new ExtensionManager({
    ...parts,
    rules: decodingRules(options),
    compileProblem: (extension) => extensionProblem(extension, runtime),
  });
  const scopes = new ScopeManager(parts);
  return {
    extensions,
    scopes,
    all: [extensions, scopes],
    close: () => {
      extensions.close();
      scopes.close();
    },
  };
}
