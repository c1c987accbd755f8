// [m] What stock pilot-agent does and this one does not yet: told at the start; refused where going on would be less safe than was asked for, or another program.
import type { CommandLine } from './command-line.ts';
import type { ProxyConfig } from './proxy-config.ts';
import type { VariableReader } from './variable-reader.ts';

/** Metrics that were to be seen over mTLS alone would be there for everybody. */
const SECURE_PORTS = ['ENVOY_SECURE_METRICS_PORT', 'ENVOY_SECURE_MERGED_METRICS_PORT'];

const MESSAGE_FIELDS: readonly (readonly [field: string, effect: string])[] = [
  ['readinessProbe', 'is not asked, and istiod hears nothing of the health of this workload'],
  ['privateKeyProvider', 'is left out; keys are used by the proxy itself'],
];

export function tellNotBuilt(
  line: CommandLine,
  { message }: ProxyConfig,
  read: VariableReader,
  warnings: string[],
): void {
  if (read.flag('DISABLE_ENVOY', false))
    read.problems.push(
      'DISABLE_ENVOY: an agent without its proxy, for gRPC without sidecars, is not built; leave the variable out, or use stock pilot-agent there',
    );
  for (const name of SECURE_PORTS) {
    if (read.count(name, 0, 0, 65_535) !== 0)
      read.problems.push(
        `${name}: metrics over mTLS are not built; with 0 they stay on ports 15090 and 15020, in plaintext`,
      );
  }
  if (read.flag('PEER_METADATA_DISCOVERY', false))
    warnings.push('PEER_METADATA_DISCOVERY: has no effect, peers are not looked up');
  for (const [field, effect] of MESSAGE_FIELDS)
    if (message[field] !== undefined) warnings.push(`ProxyConfig.${field}: ${effect}`);
  const stsPort = line.flags.get('stsPort') ?? '0';
  if (stsPort !== '0' && stsPort !== '')
    warnings.push(`--stsPort: nobody exchanges tokens at port ${stsPort}`);
}
