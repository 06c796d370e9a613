"""`/metrics` for Prometheus: what this machine's processes counted, and how the sale stands in PostgreSQL and Redis.

Whoever has METRICS_TOKEN may read it; without a token only local mode answers. Workers have a port of their own.
"""

import hmac
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus

import redis
from celery.signals import worker_ready
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from kombu.exceptions import KombuError
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric

from checkout import audit
from flashsale.celery import app as celery
from flashsale.core import metrics
from flashsale.observability import heartbeat
from flashsale.observability.metric_files import ProcessFiles

# Whoever invents a method invents no series.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# Each is read by an index that holds only what is asked for, or from few rows.
_QUERIES = {
    ("flashsale_expiry_lag_seconds", "How long the oldest overdue hold or order has waited", ("kind",)): """
        SELECT 'hold', greatest(0, extract(epoch FROM clock_timestamp() - min(expires_at)))
        FROM checkout_hold WHERE status = 'active' AND expires_at < now()
        UNION ALL
        SELECT 'order', greatest(0, extract(epoch FROM clock_timestamp() - min(payment_due_at)))
        FROM checkout_order WHERE status = 'pending_payment' AND payment_due_at < now()
    """,
    ("flashsale_webhook_lag_seconds", "How long the oldest event that is due has waited for the worker", ()): """
        SELECT greatest(0, extract(epoch FROM clock_timestamp() - min(next_attempt_at)))
        FROM payments_webhookevent WHERE status IN ('received', 'failed') AND next_attempt_at < now()
    """,
    ("flashsale_webhook_events", "Webhook events that are not done", ("status",)): """
        SELECT 'received', count(*) FROM payments_webhookevent WHERE status = 'received'
        UNION ALL SELECT 'failed', count(*) FROM payments_webhookevent WHERE status = 'failed'
        UNION ALL SELECT 'parked', count(*) FROM payments_webhookevent WHERE status = 'parked'
        UNION ALL SELECT 'needs_review', count(*) FROM payments_webhookevent WHERE status = 'needs_review'
        UNION ALL SELECT 'dead', count(*) FROM payments_webhookevent WHERE status = 'dead'
    """,
    ("flashsale_refunds_waiting", "Payments that are due for refund", ()): """
        SELECT count(*) FROM payments_payment WHERE status = 'refund_due'
    """,
    ("flashsale_refund_waiting_seconds", "How long the oldest payment has been due for refund", ()): """
        SELECT greatest(0, extract(epoch FROM clock_timestamp() - min(created_at)))
        FROM payments_payment WHERE status = 'refund_due'
    """,
    (
        "flashsale_stock_units",
        "Units of the 50 products whose counters were written most often",
        ("product", "state"),
    ): """
        SELECT product_id::text, part.state, part.units
        FROM (SELECT * FROM catalog_stock ORDER BY version DESC LIMIT 50) AS stock,
             LATERAL (VALUES ('total', total), ('reserved', reserved), ('sold', sold)) AS part (state, units)
    """,
    ("flashsale_database_connections", "Connections to this database, and how many there may be", ("state",)): """
        SELECT 'used', count(*) FROM pg_stat_activity WHERE datname = current_database()
        UNION ALL SELECT 'max', setting::integer FROM pg_settings WHERE name = 'max_connections'
    """,
}


class MetricsMiddleware:
    """Middleware: how long each kind of request took, and how it ended."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        method = request.method if request.method in METHODS else "other"
        series = metrics.REQUEST_SECONDS.labels(_view_of(request), method, response.status_code)
        series.observe(time.perf_counter() - started)
        return response


class StateCollector:
    """Collector: what waits, and for how long, as of now."""

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges; those of a server that does not answer are missing, and its `..._up` is 0."""
        found, is_up = self._of_database()
        yield from found
        yield GaugeMetricFamily("flashsale_database_up", "Whether PostgreSQL answers", is_up)
        found, is_up = self._of_redis()
        yield from found
        yield GaugeMetricFamily("flashsale_redis_up", "Whether Valkey/Redis answers", is_up)

    def _of_database(self) -> tuple[list[Metric], int]:
        found = []
        try:
            with connection.cursor() as cursor:
                for (name, help_text, labels), query in _QUERIES.items():
                    cursor.execute(query)
                    found.append(_gauge(name, help_text, labels, cursor.fetchall()))
        except (DatabaseError, InterfaceError):
            return found, 0
        return found, 1

    def _of_redis(self) -> tuple[list[Metric], int]:
        try:
            silent = heartbeat.silent_queues()
            lengths = _queue_lengths()
            drift = audit.last_result()
        except (redis.RedisError, KombuError):
            return [], 0
        found = [
            _gauge(
                "flashsale_worker_silent", "Whether a queue's worker gave no sign of life lately", ("queue",),
                [(queue, int(queue in silent)) for queue in heartbeat.QUEUES],
            ),
            _gauge("flashsale_queue_tasks", "Tasks that wait for a worker", ("queue",), lengths),
        ]  # fmt: skip
        if drift is not None:
            found.append(_gauge("flashsale_drifting_products", "Products with wrong counters", (), [(drift,)]))
        return found, 1


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """Answer in Prometheus' text format; 404 where no token is set, 401 for a wrong one."""
    if settings.METRICS_TOKEN:
        expected = f"Bearer {settings.METRICS_TOKEN}"
        if not hmac.compare_digest(request.headers.get("Authorization", "").encode(), expected.encode()):
            return HttpResponse(status=HTTPStatus.UNAUTHORIZED, headers={"WWW-Authenticate": "Bearer"})
    elif not settings.LOCAL_MODE:
        return HttpResponse(status=HTTPStatus.NOT_FOUND)
    text = generate_latest(_counted()) + generate_latest(_state)
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


def register() -> None:
    """Let a worker answer as soon as it is ready."""
    worker_ready.connect(serve_workers_numbers)


def serve_workers_numbers(**_) -> None:
    """Answer on METRICS_PORT, where it is set, what the processes of this worker counted."""
    if settings.METRICS_PORT:
        start_http_server(settings.METRICS_PORT, registry=_counted())


def _counted() -> CollectorRegistry:
    """Return what all processes of this machine counted, or this process alone where they share no folder."""
    if not metrics.FOLDER:
        return REGISTRY
    registry = CollectorRegistry()
    ProcessFiles(registry, metrics.FOLDER)
    return registry


def _queue_lengths() -> list[tuple[str, int]]:
    with celery.connection_for_read() as broker:
        tasks = broker.channel().client
        return [(queue, tasks.llen(queue)) for queue in heartbeat.QUEUES]


def _gauge(name: str, help_text: str, labels: tuple[str, ...], rows: list[tuple]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help_text, labels=labels)
    for *values, number in rows:
        family.add_metric([str(value) for value in values], float(number))
    return family


def _view_of(request: HttpRequest) -> str:
    """Return a name that few requests can choose: the URL pattern's, one for the whole admin, one for the rest."""
    match = request.resolver_match
    if match is None:
        return "none"
    return "admin" if "admin" in match.namespaces else match.url_name or "none"


_state = CollectorRegistry(auto_describe=False)
_state.register(StateCollector())
