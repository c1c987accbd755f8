// [w] RouteTableSlot: the newest table of one route configuration; updates swap it in one assignment, and requests
// that began with the old one keep it.
import type { RouteProvider } from '../http/route-provider.ts';
import type { CompiledRouteTable } from './route-table.ts';

export class RouteTableSlot implements RouteProvider {
  #table: CompiledRouteTable | null = null;

  /** Null until RDS delivered. */
  current(): CompiledRouteTable | null {
    return this.#table;
  }

  update(table: CompiledRouteTable | null): void {
    this.#table = table;
  }
}
