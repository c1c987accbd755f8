// [m] YAML of a small mesh that tests edit: two services, two subsets, one split.

const service = (name: string, address: string, pod: string): string => `
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec:
  clusterIP: ${address}
  selector: {app: ${name}}
  ports: [{port: 9080, name: http}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}-v1}
spec:
  template:
    metadata:
      labels: {app: ${name}, version: v1}
      annotations: {outrigger/address: ${pod}}
`;

export const productpage = service('productpage', '10.96.0.1', '10.0.0.1');
export const reviews = service('reviews', '10.96.0.2', '10.0.0.2');
export const ratings = service('ratings', '10.96.0.3', '10.0.0.3');

export const reviewsV2 = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: reviews-v2}
spec:
  template:
    metadata:
      labels: {app: reviews, version: v2}
      annotations: {outrigger/address: 10.0.0.4}
`;

export const subsets = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
`;

export const split = (v1: number, v2: number): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - route:
    - {destination: {host: reviews, subset: v1}, weight: ${v1}}
    - {destination: {host: reviews, subset: v2}, weight: ${v2}}
`;
