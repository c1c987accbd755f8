// [m] node:http without what an ES import of it drags in: its export list touches WebSocket, which loads all of undici
// (measured: 7.0 against 0.6 MB private).
import type * as http from 'node:http';

const builtin: typeof http = process.getBuiltinModule('node:http');

export const createServer = builtin.createServer;
export const httpRequest = builtin.request;
