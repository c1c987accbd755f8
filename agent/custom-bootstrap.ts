// [m] A bootstrap of the operator's own in the place of ours (`--templateFile`, ProxyConfig.customConfigFile, ISTIO_BOOTSTRAP; istio-contract §5).
// Plain JSON or YAML; who this node is, where its admin is and who configures it stay ours where the file does not say.
import { isObject, parseJsonOrYaml } from './proxy-config.ts';
import type { JsonObject, ProxyConfig } from './proxy-config.ts';
import type { CommandLine } from './command-line.ts';
import type { Surroundings } from './surroundings.ts';
import type { VariableReader } from './variable-reader.ts';

/** Where stock has its template, which says what ours says. */
const STOCK_TEMPLATE = /(?:^|\/)var\/lib\/istio\/envoy\/envoy_bootstrap_tmpl\.json$/;
const OURS_UNLESS_SAID = ['admin', 'dynamic_resources', 'application_log_config'];

interface Place {
  readonly source: string;
  readonly path: string;
}

/** The first that is named wins. */
function findPlace(
  line: CommandLine,
  { message }: ProxyConfig,
  read: VariableReader,
): Place | undefined {
  const given: readonly (readonly [source: string, path: unknown])[] = [
    ['ISTIO_BOOTSTRAP', read.text('ISTIO_BOOTSTRAP', '')],
    ['--templateFile', line.flags.get('templateFile')],
    ['ProxyConfig.customConfigFile', message['customConfigFile']],
    ['ProxyConfig.proxyBootstrapTemplatePath', message['proxyBootstrapTemplatePath']],
  ];
  for (const [source, path] of given) {
    if (typeof path === 'string' && path !== '')
      return STOCK_TEMPLATE.test(path) ? undefined : { source, path };
  }
  return undefined;
}

/** Undefined: ours is used. */
export async function readCustomBootstrap(
  line: CommandLine,
  proxyConfig: ProxyConfig,
  host: Surroundings,
  read: VariableReader,
): Promise<JsonObject | undefined> {
  const place = findPlace(line, proxyConfig, read);
  if (place === undefined) return undefined;
  const { source, path } = place;
  const refuse = (why: string): undefined => void read.problems.push(`${source}: ${path} ${why}`);
  const text = host.readText(path);
  if (text === undefined) return refuse('is not there');
  if (text.includes('{{'))
    return refuse(
      'is a Go template, which is not read; give plain JSON or YAML, or only what differs by ISTIO_BOOTSTRAP_OVERRIDE',
    );
  try {
    const value = await parseJsonOrYaml(text);
    return isObject(value) ? value : refuse('is no object');
  } catch (error) {
    return refuse(`is neither JSON nor YAML: ${(error as Error).message.split('\n', 1)[0]}`);
  }
}

/** `ours`: the whole bootstrap as it would be without `custom`. */
export function withCustomBootstrap(ours: JsonObject, custom: JsonObject): JsonObject {
  const merged: JsonObject = { ...custom, node: ours['node'] };
  for (const name of OURS_UNLESS_SAID) merged[name] ??= ours[name];
  return merged;
}
