// [m] Joins filters that are discovered with what they come from, and with the listeners that wait for them.
import type { Runtime } from '../base/runtime.ts';
import { extensionProblem } from '../listener-manager/trial-compile.ts';
import type { StatsStore } from '../stats/store.ts';
import { ExtensionManager } from '../xds/extension-manager.ts';
import type { ExtensionManagerDeps } from '../xds/extension-manager.ts';
import type { ServerDeps } from './server-deps.ts';
import { decodingRules } from './static-notices.ts';
import { sourceProblem } from './source-check.ts';

export function wireExtensions(
  {
    options,
    bootstrap,
    time,
    loggers,
  }: Pick<ServerDeps, 'options' | 'bootstrap' | 'time' | 'loggers'>,
  { stats, runtime }: { readonly stats: StatsStore; readonly runtime: Runtime },
  ends: Pick<ExtensionManagerDeps, 'onWanted' | 'onSettled'>,
): ExtensionManager {
  const { clusters } = bootstrap.config;
  return new ExtensionManager({
    ...ends,
    sourceProblem: (source) => sourceProblem(source, clusters),
    compileProblem: (extension) => extensionProblem(extension, runtime),
    rules: decodingRules(options),
    time,
    stats,
    log: loggers.get('config'),
  });
}
