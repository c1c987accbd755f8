// Addresses and routes that the rules count on: ::6 on loopback, and the way of marked packets in TPROXY mode. [m] ip-rule(8), ip-route(8).
import { networkInterfaces } from 'node:os';
import type { Family, IptablesOptions } from './options.ts';
import { passthroughSource } from './plan-builder.ts';
import { mustRun, run } from './run-command.ts';
import type { UndoList } from './undo-list.ts';

/** Arguments of `ip`. */
type Words = (verb: 'add' | 'del') => readonly string[];

const familyFlag = { IPv4: '-4', IPv6: '-6' } as const;

/** Adds what is not there; each addition can be taken back. */
export function addRoutes(options: IptablesOptions, family: Family, undo: UndoList): void {
  for (const words of missing(options, family)) {
    mustRun('ip', words('add'));
    undo.add(() => mustRun('ip', words('del')));
  }
}

/** Takes away what is there: the address of loopback, the way of marked packets. Returns whether anything was. */
export function removeRoutes(
  options: IptablesOptions,
  family: Family,
  parts: { readonly address: boolean; readonly marked: boolean },
  undo: UndoList,
): boolean {
  const present: Words[] = [];
  if (parts.address && family === 'IPv6' && hasPassthroughAddress())
    present.push(passthroughAddress);
  if (parts.marked && hasMarkRule(options, family))
    present.push((verb) => markRule(options, family, verb));
  if (parts.marked && hasLocalRoute(options, family))
    present.push((verb) => localRoute(options, family, verb));
  for (const words of present) {
    mustRun('ip', words('del'));
    undo.add(() => mustRun('ip', words('add')));
  }
  return present.length > 0;
}

/** What is not there although the options need it, as commands that would add it. */
export function missingRoutes(options: IptablesOptions, family: Family): readonly string[] {
  return missing(options, family).map((words) => `ip ${words('add').join(' ')}`);
}

/** The commands behind the rules, for people who read a dry run. */
export function routeCommands(options: IptablesOptions, family: Family): readonly string[] {
  const commands = family === 'IPv6' ? [passthroughAddress('add')] : [];
  if (routesMarkedPackets(options)) {
    commands.push(markRule(options, family, 'add'), localRoute(options, family, 'add'));
  }
  return commands.map((words) => `ip ${words.join(' ')}`);
}

export function routesMarkedPackets(options: IptablesOptions): boolean {
  const { interceptionMode, inboundPortsInclude: ports } = options;
  return interceptionMode === 'TPROXY' && (ports === '*' || ports.length > 0);
}

/** ::6 is no address of `lo` by itself, unlike 127.0.0.6; inbound clusters bind it. */
function passthroughAddress(verb: 'add' | 'del'): readonly string[] {
  return ['-6', 'addr', verb, passthroughSource.IPv6, 'dev', 'lo'];
}

function missing(options: IptablesOptions, family: Family): readonly Words[] {
  const list: Words[] = [];
  if (family === 'IPv6' && !hasPassthroughAddress()) list.push(passthroughAddress);
  if (!routesMarkedPackets(options)) return list;
  if (!hasMarkRule(options, family)) list.push((verb) => markRule(options, family, verb));
  if (!hasLocalRoute(options, family)) list.push((verb) => localRoute(options, family, verb));
  return list;
}

function hasPassthroughAddress(): boolean {
  return Object.values(networkInterfaces()).some((list) => list?.some((a) => a.address === '::6'));
}

function markRule(
  options: IptablesOptions,
  family: Family,
  verb: 'add' | 'del',
): readonly string[] {
  return [
    familyFlag[family],
    'rule',
    verb,
    'fwmark',
    options.tproxyMark,
    'lookup',
    options.tproxyRouteTable,
  ];
}

function localRoute(
  options: IptablesOptions,
  family: Family,
  verb: 'add' | 'del',
): readonly string[] {
  return [
    familyFlag[family],
    'route',
    verb,
    'local',
    'default',
    'dev',
    'lo',
    'table',
    options.tproxyRouteTable,
  ];
}

function hasMarkRule(options: IptablesOptions, family: Family): boolean {
  const mark = `fwmark 0x${Number(options.tproxyMark).toString(16)}`;
  const rules = run('ip', ['-N', familyFlag[family], 'rule', 'show']).stdout.split('\n');
  return rules.some((line) => `${line} `.includes(` ${mark} lookup ${options.tproxyRouteTable} `));
}

/** A table that nobody wrote to does not exist, and ip says so with an error. */
function hasLocalRoute(options: IptablesOptions, family: Family): boolean {
  const words = ['-N', familyFlag[family], 'route', 'show', 'table', options.tproxyRouteTable];
  return /^(?:local|2) default dev lo\b/m.test(run('ip', words).stdout);
}
