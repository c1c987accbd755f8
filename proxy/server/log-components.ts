// [m] Components that have a log level of their own, Envoy's names where there is a counterpart. Main knows those of the
// workers too, so that /logging can name them.
export const LOG_COMPONENTS: readonly string[] = [
  'admin',
  'assert',
  'config',
  'connection',
  'dns',
  'filter',
  'http',
  'http2',
  'main',
  'misc',
  'pool',
  'router',
  'runtime',
  'secret',
  'tcp',
  'upstream',
  'xds',
];
