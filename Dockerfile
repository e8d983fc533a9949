# CPU:   docker build -t geounet .
# CUDA:  docker build -t geounet:cuda --build-arg TORCH_INDEX= .
# Use:   docker run --rm -v "$PWD:/data" -u "$(id -u):$(id -g)" [--gpus all] geounet predict big.tif -o buildings.gpkg
#
# GDAL, PROJ and GEOS come inside the Python packages, CUDA inside that of torch; the driver is the host's.
FROM python:3.12.8-slim-bookworm AS build
# torch's own index has the smaller build without CUDA; pip's usual one, left empty, has the build with it
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# openvino is the fastest engine on a CPU; leave it out for a smaller image
ARG EXTRAS=openvino,parquet
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/geounet
ENV PATH=/opt/geounet/bin:$PATH
WORKDIR /src
COPY constraints.txt ./
# these two alone: what they need comes with the rest, from the general index
RUN pip install --constraint constraints.txt --no-deps ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch torchvision
COPY pyproject.toml README.md LICENSE MANIFEST.in CHANGELOG.md CITATION.cff ./
COPY geounet geounet
COPY cli cli
RUN pip install --constraint constraints.txt ".[$EXTRAS]"

FROM python:3.12.8-slim-bookworm
# the one library that the packages expect of the system
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libexpat1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 geounet
COPY --from=build /opt/geounet /opt/geounet
ENV PATH=/opt/geounet/bin:$PATH \
    XDG_CACHE_HOME=/tmp \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER geounet
WORKDIR /data
ENTRYPOINT ["geounet"]
CMD ["--help"]
