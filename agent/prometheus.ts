// [m] prom-client's classes without its main file, which also loads default metrics, cluster support and OpenTelemetry: 3 MB private on top of
// what the agent has anyway. These four files are 0.8 MB.
import type { Counter, Gauge, Histogram, Registry } from 'prom-client';

import { createRequire } from '../proxy/base/node-builtins.ts';

const require = createRequire(import.meta.url);
export const CounterClass = require('prom-client/lib/counter.js') as typeof Counter;
export const GaugeClass = require('prom-client/lib/gauge.js') as typeof Gauge;
export const HistogramClass = require('prom-client/lib/histogram.js') as typeof Histogram;
export const RegistryClass = require('prom-client/lib/registry.js') as typeof Registry;
