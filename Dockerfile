# The sidecar's image: the product and what it needs to run, nothing else.
#
#   docker build --tag sidecar .
#   docker run --read-only --cap-drop=ALL --env VERSION_NAME=v2.3 --env VERSION_SHA=... sidecar run ...

FROM python:3.13-slim AS build
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY sidecar sidecar
# The wheel is built with the pinned build tool; the environment gets neither that nor pip.
RUN pip install --no-cache-dir --root-user-action=ignore --constraint constraints.txt setuptools \
    && pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir dist . \
    && python -m venv --without-pip /opt/sidecar \
    && pip --python /opt/sidecar/bin/python install --no-cache-dir --only-binary=:all: \
        --constraint constraints.txt dist/*.whl \
    && find /opt/sidecar/bin -type f ! -name sidecar -delete

FROM python:3.13-slim
LABEL org.opencontainers.image.title="sidecar" \
      org.opencontainers.image.description="Verifies tokens in front of a service and knows when an old signing key may go" \
      org.opencontainers.image.licenses="Apache-2.0"
# For `sidecar intercept`, in an init container with NET_ADMIN; what proxies never calls it.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends nftables \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log
# What runs has no use for an installer.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip*
COPY --from=build /opt/sidecar /opt/sidecar
# The base image's modules come uncompiled, and nothing is written at run time: what a start and a
# health check import is compiled here, or each of them would do it again.
RUN /opt/sidecar/bin/python -c "import sidecar.app.lifecycle, sidecar.cli.run, sidecar.cli.healthcheck"
ENV PATH=/opt/sidecar/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# The version of the service beside it, where one image is built for each; else set at run time.
ARG VERSION_NAME="BAD VERSION"
ARG VERSION_SHA="BAD VERSION"
ENV VERSION_NAME=$VERSION_NAME \
    VERSION_SHA=$VERSION_SHA
USER 1337:1337
EXPOSE 15006 15020
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["sidecar", "healthcheck"]
ENTRYPOINT ["sidecar"]
CMD ["run"]
