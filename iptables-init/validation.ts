// Are the rules in force? Probe connections through each chain, and what iptables lists; each finding names the rule it is about. [m]
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeRules, inspectIptables } from './iptables-backend.ts';
import { compareNft, presentNftTables } from './nft-backend.ts';
import type { Family, IptablesOptions } from './options.ts';
import type { Rule } from './plan-builder.ts';
import type { Comparison } from './saved-rules.ts';
import { plannedProbes } from './planned-probes.ts';
import type { PlannedProbe } from './planned-probes.ts';
import { probeAs, probeFromOutside } from './probe.ts';
import type { Probe, ProbeFailure } from './probe.ts';
import { ProbeServer, tokenLength } from './probe-server.ts';
import { missingRoutes } from './routes.ts';
import { planRules } from './rule-plan.ts';
import { ApplyError } from './run-command.ts';

/** Istio's, by which its CNI plugin knows a pod that has to be repaired. */
export const validationExitCode = 126;

const pauseMs = 500;
const longestProbeMs = 2000;

export interface Validation {
  readonly passed: boolean;
  /** Good or bad, and in words. */
  readonly lines: readonly (readonly [isGood: boolean, line: string])[];
}

type Finding = { readonly kind: 'good' | 'bad' | 'unknown'; readonly text: string };

/** Rules may be laid by somebody else (CNI) while we wait, so all is asked again until it holds or the time is up. */
export async function validateRules(
  options: IptablesOptions,
  families: readonly Family[],
): Promise<Validation> {
  const plans = new Map(families.map((family) => [family, planRules(options, family)]));
  const deadline = Date.now() + options.probeTimeoutMs;
  for (;;) {
    const findings = await findAll(options, plans);
    const isBad = findings.some(({ kind }) => kind === 'bad');
    const isKnown = findings.some(({ kind }) => kind === 'good');
    if ((!isBad && isKnown) || Date.now() + pauseMs >= deadline)
      return report(findings, !isBad && isKnown);
    await sleep(pauseMs);
  }
}

function report(findings: readonly Finding[], passed: boolean): Validation {
  const lines = findings.map(({ kind, text }): readonly [boolean, string] => [
    kind !== 'bad',
    `validation: ${text}`,
  ]);
  if (passed) return { passed, lines };
  const what =
    'the rules are not in force, so the pod is not ready for the mesh. With Istio CNI this pod may have been started before its node was ready: delete it, and it comes up on a node that is. Else run the init container (istio-iptables) first, with the same flags';
  return { passed, lines: [...lines, [false, `validation failed: ${what}`]] };
}

async function findAll(
  options: IptablesOptions,
  plans: ReadonlyMap<Family, readonly Rule[]>,
): Promise<readonly Finding[]> {
  const listed = [...plans].map(([family, plan]) => compareListed(options, family, plan, plans));
  const missing = new Map(listed.map(({ family, missing }) => [family, missing]));
  const findings: Finding[] = listed.map(({ finding }) => finding);
  const server = new ProbeServer();
  try {
    const probes = [...plans].flatMap(([family, plan]) => plannedProbes(options, family, plan));
    const closed = await listenForAll(server, options, probes);
    const open = probes.filter((probe) => !closed.has(`${probe.family} ${probe.expectedPort}`));
    for (const [key, reason] of closed)
      findings.push({ kind: 'unknown', text: `${key}: not probed, ${reason}` });
    findings.push(...(await runProbes(options, open, server, missing)));
  } finally {
    server.close();
  }
  return findings;
}

/** What iptables lists; without rights it lists nothing, and the probes have to do. */
function compareListed(
  options: IptablesOptions,
  family: Family,
  plan: readonly Rule[],
  plans: ReadonlyMap<Family, readonly Rule[]>,
): {
  readonly family: Family;
  readonly finding: Finding;
  readonly missing: readonly Rule[] | undefined;
} {
  try {
    const routes = missingRoutes(options, family);
    if (routes.length > 0)
      return {
        family,
        missing: undefined,
        finding: { kind: 'bad', text: `${family}: missing is "${routes.join('", "')}"` },
      };
    if (options.nativeNftables) {
      const isThere = compareNft(presentNftTables(), plans) === 'same';
      const text = `${family}: the nftables tables istio-proxy-* ${isThere ? 'are as planned' : 'are missing or differ; use --native-nftables --reconcile'}`;
      return { family, missing: undefined, finding: { kind: isThere ? 'good' : 'bad', text } };
    }
    const { comparison } = inspectIptables(options, family);
    const finding = judgeListed(comparison, plan.length);
    return {
      family,
      missing: comparison.missing,
      finding: { ...finding, text: `${family}: ${finding.text}` },
    };
  } catch (error) {
    if (!(error instanceof ApplyError)) throw error;
    return {
      family,
      missing: undefined,
      finding: {
        kind: 'unknown',
        text: `${family}: rules cannot be listed without NET_ADMIN, probes only`,
      },
    };
  }
}

function judgeListed({ state, missing, unexpected }: Comparison, planned: number): Finding {
  if (state === 'same') return { kind: 'good', text: `all ${planned} rules are there` };
  if (state === 'absent') return { kind: 'bad', text: `none of the ${planned} rules is there` };
  const gone = `missing ${missing.length === 1 ? 'is rule' : `are ${missing.length} rules:`} ${describeRules(missing)}`;
  const text = missing.length > 0 ? gone : `not expected: ${unexpected.join(', ')}`;
  return { kind: 'bad', text };
}

/** Which ports cannot be listened on, and why; the proxy may be running. */
async function listenForAll(
  server: ProbeServer,
  options: IptablesOptions,
  probes: readonly PlannedProbe[],
): Promise<ReadonlyMap<string, string>> {
  const closed = new Map<string, string>();
  const wanted = new Map(probes.map((probe) => [`${probe.family} ${probe.expectedPort}`, probe]));
  for (const [key, { family, expectedPort }] of wanted) {
    const transparent =
      options.interceptionMode === 'TPROXY' && String(expectedPort) === options.inboundCapturePort;
    try {
      await server.listen(family, expectedPort, { transparent });
    } catch (error) {
      const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
      closed.set(
        key,
        taken ? `port ${expectedPort} is taken: is the proxy running already?` : String(error),
      );
    }
  }
  return closed;
}

async function runProbes(
  options: IptablesOptions,
  planned: readonly PlannedProbe[],
  server: ProbeServer,
  missing: ReadonlyMap<Family, readonly Rule[] | undefined>,
): Promise<readonly Finding[]> {
  const timeoutMs = Math.min(longestProbeMs, options.probeTimeoutMs);
  const probeOf = ({ host, port, source }: PlannedProbe): Probe => ({
    host,
    port,
    source,
    timeoutMs,
    token: randomBytes(tokenLength / 2).toString('hex'),
  });
  const findings: Finding[] = [];
  const judge = (one: PlannedProbe, { token }: Probe, failure: ProbeFailure): void => {
    findings.push(judgeProbe(one, failure, server.portOf(token), missing.get(one.family)));
  };
  for (const one of planned) {
    if (one.user === undefined) continue;
    const probe = probeOf(one);
    judge(one, probe, await probeAs(one.user, probe));
  }
  const outside = planned.filter(({ user }) => user === undefined);
  if (outside.length === 0) return findings;
  const probes = outside.map(probeOf);
  const failures = await probeFromOutside(probes, [
    ...new Set(outside.map(({ family }) => family)),
  ]);
  for (const [at, one] of outside.entries()) judge(one, probes[at]!, failures[at]);
  return findings;
}

function judgeProbe(
  one: PlannedProbe,
  failure: ProbeFailure,
  arrivedAt: number | undefined,
  missing: readonly Rule[] | undefined,
): Finding {
  const { family, who, host, port, expectedPort, path } = one;
  const to = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const what = `${family}: a connection ${who} to ${to}`;
  const lost = new Set((missing ?? []).map((rule) => describeRules([rule])));
  const gone = path.filter((rule) => lost.has(describeRules([rule])));
  if (failure?.kind === 'cannot' && gone.length === 0)
    return { kind: 'unknown', text: `${what} was not tried, ${failure.reason}` };
  if (failure === undefined && arrivedAt === expectedPort)
    return { kind: 'good', text: `${what} arrives at port ${expectedPort}` };
  const outcome =
    arrivedAt === undefined
      ? (failure?.reason ?? 'it went elsewhere')
      : `it arrived at port ${arrivedAt}`;
  const blame =
    gone.length > 0
      ? `missing on its way is ${describeRules(gone)}`
      : `one of the rules on its way is missing or comes too late: ${describeRules(path)}`;
  return {
    kind: 'bad',
    text: `${what} does not arrive at port ${expectedPort} (${outcome}); ${blame}`,
  };
}
