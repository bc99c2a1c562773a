# The command line as a container image: its program and Node, nothing else. It needs no shell and no root.
#
#   npm run build
#   docker build --build-arg BASE=IMAGE_WITH_NODE_20 --tag soci-lens .
#
# BASE is any image with Node 20 or newer; a distroless one will do.
ARG BASE
FROM ${BASE}
COPY dist/cli.js dist/dockerode.js dist/index-program.js dist/kubernetes.js dist/layer-worker.js dist/program.js dist/undici.js /soci-lens/
USER 65532:65532
# /nodejs/bin is where distroless images have Node. What a run keeps for itself may be thrown away with /tmp.
ENV PATH=/nodejs/bin:/usr/local/bin:/usr/bin:/bin SOCI_LENS_CACHE=/tmp/soci-lens
ENTRYPOINT ["node", "/soci-lens/cli.js"]
