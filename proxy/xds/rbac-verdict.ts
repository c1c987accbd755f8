// [m] Whether an RBAC or Wasm filter could refuse anything: what cannot is inert, the rest refuses until it is built.
import type { RBAC as RbacRules } from '../../xds-protos/gen/envoy.config.rbac.v3.ts';
import type { PluginConfig } from '../../xds-protos/gen/envoy.extensions.wasm.v3.ts';

interface RbacFilter {
  readonly rules?: RbacRules | undefined;
  readonly matcher?: object | undefined;
}

/**
 * RBAC refuses by `rules` or `matcher` only: shadow rules (dry runs, and the half of a CUSTOM policy that feeds
 * ext_authz; http-filter-decoder.ts sees to it that ext_authz then refuses) never do, and neither does the action LOG
 * (AUDIT policies).
 */
export function rbacGuards(filter: RbacFilter): boolean {
  if (filter.matcher !== undefined) return true;
  return filter.rules !== undefined && filter.rules.action !== 'LOG';
}

/** A plugin that fails open lets requests through when its VM is gone, and ours is. */
export const wasmGuards = (plugin: PluginConfig | undefined): boolean =>
  plugin?.fail_open !== true && plugin?.failure_policy !== 'FAIL_OPEN';
