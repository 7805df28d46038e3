# Two images of one build: `runtime` (the processor) and `gpu` (CUDA 12).
#   docker build -t mumu .
#   docker build -t mumu:gpu --target gpu .
# The lines that run commands are also run without a container engine by scripts/docker-steps.mjs.

FROM node:20.20.2-bookworm-slim AS build
WORKDIR /app
COPY .npmrc package.json package-lock.json ./
# Not `npm ci`: it refuses a lock file that lacks optional packages of other platforms.
RUN npm install --no-save --no-audit --no-fund --loglevel=error
COPY tsconfig.json tsconfig.build.json vite.config.ts ./
COPY scripts scripts
COPY src src
COPY commands commands
COPY inference inference
COPY models models
RUN node scripts/build.mjs
# What only builds and tests need, and onnxruntime's libraries for other systems, stay out of the image.
RUN npm prune --omit=dev --no-audit --no-fund --loglevel=error
RUN rm -rf node_modules/onnxruntime-node/bin/napi-v*/darwin node_modules/onnxruntime-node/bin/napi-v*/win32
RUN find dist -name '*.map' -delete

FROM build AS build-gpu
# Fetches CUDA's provider from NuGet; TensorRT's is not used.
RUN ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install.js
RUN rm -f node_modules/onnxruntime-node/bin/napi-v*/linux/*/libonnxruntime_providers_tensorrt.so

FROM nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04 AS gpu
RUN apt-get update && apt-get install -y --no-install-recommends ffmpeg && rm -rf /var/lib/apt/lists/*
# Ubuntu 24.04 names its first user ubuntu; the same number as node's in the other image, so that they share files.
RUN usermod --login node --home /home/node --move-home ubuntu && groupmod --new-name node ubuntu
COPY --from=build /usr/local/bin/node /usr/local/bin/node
WORKDIR /app
COPY --from=build-gpu /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY .npmrc package.json manifest.yaml LICENSE ./
COPY scripts/mumu.mjs scripts/mumu.mjs
COPY models models
COPY examples examples
RUN mkdir -p /data && chown node:node /data
ENV NODE_ENV=production MUMU_DATA=/data MUMU_LOG=info \
    MUMU_HOST=0.0.0.0 MUMU_SLACK_HOST=0.0.0.0 MUMU_OPS_HOST=0.0.0.0 MUMU_OPS_PORT=9464 \
    MUMU_DEVICE=cuda
VOLUME /data
EXPOSE 8020 8030 9464
USER node
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.MUMU_OPS_PORT + '/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "scripts/mumu.mjs"]
CMD ["worker"]

FROM node:20.20.2-bookworm-slim AS runtime
RUN apt-get update && apt-get install -y --no-install-recommends ffmpeg && rm -rf /var/lib/apt/lists/*
# Nothing is installed at run time.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn*
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY .npmrc package.json manifest.yaml LICENSE ./
COPY scripts/mumu.mjs scripts/mumu.mjs
COPY models models
COPY examples examples
RUN mkdir -p /data && chown node:node /data
ENV NODE_ENV=production MUMU_DATA=/data MUMU_LOG=info \
    MUMU_HOST=0.0.0.0 MUMU_SLACK_HOST=0.0.0.0 MUMU_OPS_HOST=0.0.0.0 MUMU_OPS_PORT=9464
VOLUME /data
EXPOSE 8020 8030 9464
USER node
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.MUMU_OPS_PORT + '/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "scripts/mumu.mjs"]
CMD ["worker"]
