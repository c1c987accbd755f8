// The six workloads of Bookinfo: which program each runs and which services that program calls.
export interface Workload {
  /** Of the pod. */
  readonly name: string;
  /** Of the service in front of it; also its label `app`, and its program in this folder. */
  readonly app: string;
  readonly version: string;
  /** Services it dials by name. */
  readonly calls: readonly string[];
}

export const BOOKINFO_WORKLOADS: readonly Workload[] = [
  {
    name: 'productpage-v1',
    app: 'productpage',
    version: 'v1',
    calls: ['details', 'reviews', 'ratings'],
  },
  { name: 'details-v1', app: 'details', version: 'v1', calls: [] },
  { name: 'ratings-v1', app: 'ratings', version: 'v1', calls: [] },
  { name: 'reviews-v1', app: 'reviews', version: 'v1', calls: [] },
  { name: 'reviews-v2', app: 'reviews', version: 'v2', calls: ['ratings'] },
  { name: 'reviews-v3', app: 'reviews', version: 'v3', calls: ['ratings'] },
];

/** The pod that a browser talks to. */
export const FRONT_POD = 'productpage-v1';
