// [m] AppProbe: the kubelet's probes and lifecycle hooks, handed on to the app from an address that iptables lets through (istio-contract §6.6).
import type * as net from 'node:net';

import { isIpv6 } from '../../proxy/base/ip-text.ts';
import type { AppProber } from '../pod-annotations.ts';
import { HttpProbe, failed } from './http-probe.ts';
import type { HttpProbeParts, ProbeRequest } from './http-probe.ts';

export interface ProbeAnswer {
  readonly status: number;
  readonly body: Buffer | string;
  /** For the log, where the app could not be asked. */
  readonly problem?: string;
}

export interface AppProbeParts extends Omit<HttpProbeParts, 'sourceAddress'> {
  /** Of the pod: decides from which address of its family the app is asked. */
  readonly podAddress: string;
}

const PASSTHROUGH_V4 = '127.0.0.6';
const PASSTHROUGH_V6 = '::6';

export class AppProbe {
  readonly #host: string;
  readonly #sourceAddress: string;
  readonly #http: HttpProbe;

  constructor(parts: AppProbeParts) {
    this.#host = parts.host;
    this.#sourceAddress = isIpv6(parts.podAddress) ? PASSTHROUGH_V6 : PASSTHROUGH_V4;
    this.#http = new HttpProbe({ ...parts, sourceAddress: this.#sourceAddress });
  }

  /** `request`: of the kubelet. */
  run(prober: AppProber, request: ProbeRequest): Promise<ProbeAnswer> {
    const { action, timeoutMs } = prober;
    switch (action.kind) {
      case 'http':
        return this.#http.run(action, timeoutMs, request);
      case 'tcp':
        return this.#probeTcp(action.port, timeoutMs);
      case 'grpc':
        return this.#probeGrpc(action, timeoutMs, request);
    }
  }

  #connectOptions(port: number): net.TcpNetConnectOpts {
    const localAddress = this.#sourceAddress;
    return { host: this.#host, port, localAddress, family: isIpv6(localAddress) ? 6 : 4 };
  }

  async #probeTcp(port: number, timeoutMs: number): Promise<ProbeAnswer> {
    const { connect } = await import('node:net');
    return new Promise((resolve) => {
      const socket = connect({ ...this.#connectOptions(port), timeout: timeoutMs });
      const done = (answer: ProbeAnswer): void => {
        socket.destroy();
        resolve(answer);
      };
      socket.once('connect', () => done({ status: 200, body: '' }));
      socket.once('timeout', () => done(failed(`no connection within ${timeoutMs} ms`)));
      socket.once('error', (error) => done(failed(error.message)));
    });
  }

  async #probeGrpc(
    action: { readonly port: number; readonly service: string },
    timeoutMs: number,
    { headersDistinct }: ProbeRequest,
  ): Promise<ProbeAnswer> {
    const { checkGrpcHealth } = await import('./grpc-health-check.ts');
    const [userAgent] = headersDistinct['user-agent'] ?? [];
    const problem = await checkGrpcHealth({
      target: this.#connectOptions(action.port),
      service: action.service,
      userAgent,
      timeoutMs,
    });
    return problem === undefined ? { status: 200, body: '' } : failed(problem);
  }
}
