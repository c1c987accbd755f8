# The sidecar image: stands where Istio's proxyv2 stands. `docker build -t outrigger-proxyv2 .`
# test/image performs these steps without Docker; keep RUN lines of the build stage free of absolute paths.
FROM node:26-slim AS build
WORKDIR /build

COPY package.json package-lock.json ./
RUN npm ci

COPY tsconfig.json tsconfig.build.json ./
COPY build ./build
COPY proxy ./proxy
COPY agent ./agent
COPY iptables-init ./iptables-init
COPY xds-protos ./xds-protos
COPY samples ./samples
RUN npm run build
RUN npm prune --omit=dev

# The file tree of the image: emitted JavaScript, launchers, run-time packages, and the names Istio's manifests call.
RUN mkdir -p image/usr/lib/outrigger image/usr/local/bin \
 && cp -R package.json node_modules dist image/usr/lib/outrigger/ \
 && for part in proxy agent iptables-init; do \
      mkdir -p "image/usr/lib/outrigger/$part" && cp -R "$part/bin" "image/usr/lib/outrigger/$part/"; \
    done \
 && cd image/usr/local/bin \
 && ln -s ../../lib/outrigger/proxy/bin/outrigger-proxy outrigger-proxy \
 && ln -s ../../lib/outrigger/proxy/bin/outrigger-proxy envoy \
 && ln -s ../../lib/outrigger/agent/bin/pilot-agent pilot-agent \
 && ln -s ../../lib/outrigger/agent/bin/outrigger-control-plane outrigger-control-plane \
 && ln -s ../../lib/outrigger/iptables-init/bin/outrigger-iptables outrigger-iptables \
 && ln -s ../../lib/outrigger/iptables-init/bin/outrigger-iptables istio-iptables \
 && ln -s ../../lib/outrigger/iptables-init/bin/outrigger-iptables istio-clean-iptables

# Folders the sidecar writes to; the pod mounts volumes over most of them.
RUN mkdir -p image/etc/istio/proxy image/etc/istio/config image/etc/istio/pod \
             image/var/lib/istio/data image/var/lib/istio/envoy \
             image/var/run/secrets/workload-spiffe-uds image/var/run/secrets/workload-spiffe-credentials \
             image/var/run/secrets/credential-uds

FROM node:26-slim
# iptables, nftables and iproute2 for the init container, which runs as root; the sidecar itself runs as 1337, the uid the rules let pass.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends iptables nftables iproute2 ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 1337 istio-proxy \
 && useradd --uid 1337 --gid 1337 --create-home istio-proxy
COPY --from=build /build/image/etc /etc
# Debian's /var/run is a link to /run, so this goes where the link points.
COPY --from=build /build/image/var/run /run
COPY --from=build /build/image/var/lib /var/lib
COPY --from=build /build/image/usr /usr
RUN chown -R 1337:1337 /etc/istio /var/lib/istio /run/secrets \
 && chmod -R g+rwX /etc/istio /var/lib/istio /run/secrets
# Istio's manifests name paths relative to the root.
WORKDIR /
USER 1337:1337
ENTRYPOINT ["/usr/local/bin/pilot-agent"]
