# syntax=docker/dockerfile:1
# Tertulia in a container: the program and the C library, nothing else, and nobody's shell.
#
#   docker build -t tertulia .
#   docker run -d --name tertulia -p 127.0.0.1:8080:8080 -v tertulia:/data --read-only --cap-drop ALL \
#     --stop-timeout 15 --ulimit nofile=100256 tertulia
#
# Settings are given as environment variables, so that the health check knows them, too.

# Its C compiler and make are all that the build needs besides Rust.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    cargo build --release --locked && install -D target/release/tertulia /made/tertulia && mkdir /made/data

# libc, libm and libgcc_s of the same Debian release; a user `nonroot` (65532); the certificates of public authorities.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /made/tertulia /usr/local/bin/tertulia
COPY --from=build --chown=65532:65532 /made/data /data
ENV TERTULIA_LISTEN=0.0.0.0:8080 TERTULIA_DATA_DIR=/data
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/usr/local/bin/tertulia", "health"]
ENTRYPOINT ["/usr/local/bin/tertulia"]
