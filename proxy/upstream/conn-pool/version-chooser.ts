// [w] What pools and their connections know of a pool that speaks several versions.
import type { Connection } from '../../network/connection.ts';
import type { TransportFacts } from '../../network/upstream-transport.ts';

/** A connection that is ready, and when it was dialled. */
export interface MadeConnection {
  readonly connection: Connection;
  readonly transport: TransportFacts;
  readonly startMs: number;
}

/** Where connections of the wrong version go. */
export interface VersionChooser {
  /** False: it is of the right one. */
  redirect(from: object, client: object, made: MadeConnection): boolean;
}
