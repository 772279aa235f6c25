# bursar in a container: one binary, one volume, no root. Needs BuildKit, Docker's usual builder.
#
#   docker build --tag bursar .
#   docker run --env-file bursar.env --publish 8787:8787 --volume bursar-data:/data bursar

# The image has the C compiler that zstd is built with.
FROM rust:1.95-bookworm AS build
WORKDIR /build
# .dockerignore says what this is.
COPY . .
# The caches outlive a build, so that only what changed is compiled again.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin bursar \
    && install -D target/release/bursar /out/bursar

# The same Debian as the build, hence the same C library.
FROM debian:bookworm-slim
# A new volume takes over the owner of the folder it is mounted on.
RUN install --directory --owner=10001 --group=10001 --mode=0700 /data
# Stripe's API is called over TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/bursar /usr/local/bin/bursar

ENV BURSAR_BIND=0.0.0.0:8787 \
    BURSAR_STORE=/data
USER 10001:10001
VOLUME /data
EXPOSE 8787
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["/usr/local/bin/bursar", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/bursar"]
CMD ["serve"]
