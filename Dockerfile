# One file, three images: docker build --target agent|collector|sluice .
#
# The defaults listen on 127.0.0.1, which nobody outside of a container reaches: run with --network host, or name other
# addresses, as in docker run -p 7700:7700 -p 4318:4318 sluice-sluice:VERSION up
#   --set exporters.store.endpoint=0.0.0.0:7700 --set receivers.otlp.protocols.http.endpoint=0.0.0.0:4318
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN make build VERSION=$VERSION && mkdir -p /state

# No shell, no libc, no package manager: a static binary, certificates, and a user that is not root.
FROM scratch AS base
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build --chown=65532:65532 /state /var/lib/sluice
USER 65532:65532

FROM base AS agent
COPY --from=build /src/bin/sluice-agent /sluice-agent
# Logs of pods are often readable by root only: run this image as uid 0 with all capabilities dropped where it tails.
ENTRYPOINT ["/sluice-agent", "--data-dir", "/var/lib/sluice"]

FROM base AS collector
COPY --from=build /src/bin/sluice-collector /sluice-collector
EXPOSE 4317 4318 7700 8888 13133
ENTRYPOINT ["/sluice-collector", "--data-dir", "/var/lib/sluice"]

FROM base AS sluice
COPY --from=build /src/bin/sluice /sluice
EXPOSE 4317 4318 7700 8888 13133
ENTRYPOINT ["/sluice"]
CMD ["up", "--data-dir", "/var/lib/sluice"]
