// [m] The table of admin endpoints, sorted by path, with Envoy's names, parameters and methods (envoy-behaviour §12.2).
import { lazyPart } from '../../base/lazy-part.ts';
import { LOG_LEVELS } from '../../base/logger.ts';
import { textResponse } from './admin-endpoint.ts';
import type { AdminHandler, AdminParameter, AdminResponse, AdminRoute } from './admin-endpoint.ts';
import {
  handleDrainListeners,
  handleHealthcheckFail,
  handleHealthcheckOk,
  handleQuit,
  handleReopenLogs,
  handleResetCounters,
  handleRuntimeModify,
} from './commands.ts';
import { homePage } from './home-page.ts';
import { handleListeners } from './listeners.ts';
import { handleLogging } from './logging.ts';
import {
  handleContention,
  handleHotRestartVersion,
  handleInert,
  handleInitDump,
  handleMemory,
  handleReady,
  handleRuntime,
} from './process-info.ts';
import { handleServerInfo } from './server-info.ts';
import { handleStats } from './stats.ts';
import { handlePrometheus } from './stats-prometheus.ts';

// Pages that people ask for, not agents and probes.
const certs = lazyPart<typeof import('./certs.ts')>('server/admin/certs');
const clusters = lazyPart<typeof import('./clusters.ts')>('server/admin/clusters');
const configDump = lazyPart<typeof import('./config-dump.ts')>('server/admin/config-dump');

const parameter = (id: string, help: string, values: readonly string[] = []): AdminParameter => ({
  id,
  help,
  kind: values.length > 0 ? 'choice' : 'text',
  values,
});
const flag = (id: string, help: string): AdminParameter => ({ id, help, kind: 'flag', values: [] });

function reads(
  path: string,
  help: string,
  handle: AdminHandler,
  parameters: readonly AdminParameter[] = [],
): AdminRoute {
  return { path, help, mutates: false, parameters, handle };
}

function changes(
  path: string,
  help: string,
  handle: AdminHandler,
  parameters: readonly AdminParameter[] = [],
): AdminRoute {
  return { path, help, mutates: true, parameters, handle };
}

const FORMAT = parameter('format', 'how to print', ['text', 'json']);
const FILTER = parameter('filter', 'only names in which this RE2 regular expression is found');
const INVERT = flag('invert_filter', 'only names in which `filter` is not found');
const USED_ONLY = flag('usedonly', 'only stats that are not 0');
const BUCKETS = 'how to print histograms';

export const ADMIN_ROUTES: readonly AdminRoute[] = [
  reads('/', 'this list as a page', () => homePage(ADMIN_ROUTES)),
  reads('/certs', 'certificates in use', (context) => certs().handleCerts(context)),
  reads(
    '/clusters',
    'clusters, their hosts and what the hosts count',
    (...asked) => clusters().handleClusters(...asked),
    [FORMAT, FILTER],
  ),
  reads(
    '/config_dump',
    'configuration in force',
    (...asked) => configDump().handleConfigDump(...asked),
    [
      parameter(
        'resource',
        'only the elements of this repeated field, for example dynamic_listeners',
      ),
      parameter('mask', 'only these fields (a FieldMask); with `resource`, of each element'),
      parameter(
        'name_regex',
        'only resources whose whole name matches this RE2 regular expression',
      ),
      flag('include_eds', 'endpoints too'),
    ],
  ),
  reads('/contention', 'mutex contention (there are no mutexes)', handleContention),
  changes('/drain_listeners', 'stop accepting connections', handleDrainListeners, [
    flag('graceful', 'ask clients to leave for the drain time first'),
    flag('skip_exit', 'ask clients to leave, and never stop accepting'),
    flag('inboundonly', 'only listeners whose traffic_direction is INBOUND'),
  ]),
  changes('/healthcheck/fail', 'fail health checks from now on', handleHealthcheckFail),
  changes('/healthcheck/ok', 'pass health checks again', handleHealthcheckOk),
  reads('/help', 'this list', () => textResponse(helpText())),
  reads(
    '/hot_restart_version',
    'hot restart compatibility version (there is no hot restart)',
    handleHotRestartVersion,
  ),
  reads('/init_dump', 'listeners that wait for something', handleInitDump, [
    parameter('mask', 'kinds to print'),
  ]),
  reads('/listeners', 'listeners and their addresses', handleListeners, [FORMAT]),
  changes('/logging', 'print or set log levels', handleLogging, [
    parameter('paths', 'set several: <component>:<level>,<component>:<level>'),
    parameter('group', 'set one: <component>:<level>'),
    parameter('level', 'set all', ['', ...LOG_LEVELS]),
  ]),
  reads('/memory', 'memory in use', handleMemory),
  reads('/outrigger/inert', 'what is configured, accepted, and not done', handleInert),
  changes('/quitquitquit', 'end the process', handleQuit),
  reads('/ready', 'state of the server; 200 when LIVE, else 503', handleReady),
  changes('/reopen_logs', 'close access logs and open them again', handleReopenLogs),
  changes('/reset_counters', 'set all counters to 0', handleResetCounters),
  reads('/runtime', 'runtime layers and values', handleRuntime),
  changes('/runtime_modify', 'set runtime values', handleRuntimeModify),
  reads('/server_info', 'version, state, options, node', handleServerInfo),
  reads('/stats', 'stats', handleStats, [
    USED_ONLY,
    FILTER,
    INVERT,
    parameter('format', 'how to print', ['html', 'active-html', 'text', 'json', 'prometheus']),
    parameter('type', 'kinds to print', [
      'All',
      'Counters',
      'Histograms',
      'Gauges',
      'TextReadouts',
    ]),
    parameter('histogram_buckets', BUCKETS, ['cumulative', 'disjoint', 'detailed', 'summary']),
  ]),
  reads('/stats/prometheus', 'stats for Prometheus', handlePrometheus, [
    USED_ONLY,
    FILTER,
    INVERT,
    parameter('histogram_buckets', BUCKETS, ['cumulative']),
  ]),
];

const BY_PATH = new Map(ADMIN_ROUTES.map((route) => [route.path, route]));

export const findAdminRoute = (path: string): AdminRoute | undefined => BY_PATH.get(path);

export function helpText(): string {
  return `admin commands are:\n${ADMIN_ROUTES.map(routeHelp).join('')}`;
}

function routeHelp({ path, help, mutates, parameters }: AdminRoute): string {
  const lines = [`  ${path}${mutates ? ' (POST)' : ''}: ${help}\n`];
  for (const { id, help: text, values } of parameters) {
    lines.push(
      `      ${id}: ${text}${values.length > 0 ? `; One of (${values.join(', ')})` : ''}\n`,
    );
  }
  return lines.join('');
}

export const unknownPath = (): AdminResponse => textResponse(`invalid path. ${helpText()}`, 404);
