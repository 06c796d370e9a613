"""`/metrics` for Prometheus: counters of this machine's processes, and gauges read from PostgreSQL and Redis.

Reading it takes `METRICS_TOKEN`; without a token only local mode answers. Workers have a port of their own.
"""

import hmac
import sys
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus

import redis
from celery.signals import worker_init, worker_ready
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from kombu.exceptions import KombuError
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric

from checkout import audit
from flashsale.celery import app as celery
from flashsale.core import metrics, ports
from flashsale.observability import heartbeat, queue_gauges
from flashsale.observability.metric_files import ProcessMetricsCollector

_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - a worker's metrics are for the network that it is in
# Other methods share one label value: clients cannot add series.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# Name, help and labels of a gauge, and its query, which reads a partial index or few rows.
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
        SELECT count(*) FROM payments_payment WHERE status = 'refund_due' OR refund_target > refunded_amount
    """,
    ("flashsale_refund_waiting_seconds", "How long the oldest payment has been due for refund", ()): """
        SELECT greatest(0, extract(epoch FROM clock_timestamp() - min(coalesce(due_since, created_at))))
        FROM payments_payment WHERE status = 'refund_due' OR refund_target > refunded_amount
    """,
    ("flashsale_payment_attempts_unanswered", "Payments asked for or closed 3 times without an answer", ()): """
        SELECT count(*) FROM payments_paymentattempt WHERE status IN ('creating', 'closing') AND tries >= 3
    """,
    ("flashsale_endpoints", "Endpoints of the back end, without those disabled on request", ("status",)): """
        SELECT known.status, count(endpoint.id)
        FROM (VALUES ('enabled'), ('failing'), ('disabled')) AS known (status) LEFT JOIN outbox_endpoint AS endpoint
            ON endpoint.status = known.status AND deleted_at IS NULL AND disabled_reason <> 'requested'
        GROUP BY known.status
    """,
    ("flashsale_deliveries_pending", "Events that endpoints did not take yet", ()): """
        SELECT count(*) FROM outbox_delivery WHERE status = 'pending' AND event_id IS NOT NULL
    """,
    ("flashsale_delivery_pending_seconds", "How long the oldest event has waited for an endpoint to take it", ()): """
        SELECT greatest(0, extract(epoch FROM clock_timestamp() - min(oldest.created_at)))
        FROM outbox_endpoint AS endpoint CROSS JOIN LATERAL (
            SELECT created_at FROM outbox_delivery
            WHERE endpoint_id = endpoint.id AND status = 'pending' ORDER BY created_at LIMIT 1
        ) AS oldest WHERE deleted_at IS NULL
    """,
    ("flashsale_delivery_lag_seconds", "How long an event has been due for an endpoint that works", ()): """
        SELECT greatest(0, extract(epoch FROM clock_timestamp() - min(due.next_try_at)))
        FROM outbox_endpoint AS endpoint CROSS JOIN LATERAL (
            SELECT next_try_at FROM outbox_delivery
            WHERE endpoint_id = endpoint.id AND status = 'pending' AND event_id IS NOT NULL
            ORDER BY next_try_at LIMIT 1
        ) AS due WHERE endpoint.status = 'enabled' AND deleted_at IS NULL
    """,
    (
        "flashsale_webhook_silence_seconds",
        "Between the first and the last payment of the last day that only asking told of since the last webhook",
        ("provider",),
    ): """
        SELECT asked.provider, extract(epoch FROM max(asked.received_at) - min(asked.received_at))
        FROM payments_webhookevent AS asked
        WHERE asked.source <> 'webhook' AND asked.kind = 'success' AND asked.received_at > now() - interval '1 day'
        AND NOT EXISTS (
            SELECT FROM payments_webhookevent AS posted
            WHERE posted.provider = asked.provider AND posted.source = 'webhook'
            AND posted.received_at > asked.received_at
        )
        GROUP BY asked.provider
    """,
    ("flashsale_event_sweep_age_seconds", "Since when a provider's list of events was not read", ("provider",)): """
        SELECT provider, extract(epoch FROM clock_timestamp() - max(coalesce(swept_at, read_until)))
        FROM payments_eventcursor GROUP BY provider
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
    ("flashsale_beat_leads", "1 for the host whose beat sends tasks, 0 when its lease has passed", ("host",)): """
        SELECT host, (expires_at > clock_timestamp())::integer FROM flashsale_beatlease
    """,
    ("flashsale_beat_silence_seconds", "How long no beat has sent a task", ()): """
        SELECT extract(epoch FROM clock_timestamp() - sent_at) FROM flashsale_beatlease WHERE sent_at IS NOT NULL
    """,
    ("flashsale_database_connections", "Connections to this database, and how many there may be", ("state",)): """
        SELECT 'used', count(*) FROM pg_stat_activity WHERE datname = current_database()
        UNION ALL SELECT 'max', setting::integer FROM pg_settings WHERE name = 'max_connections'
    """,
}
# They go on counting in a database whose shop makes no payments any more.
_OF_OWN_PAYMENTS = frozenset({"flashsale_event_sweep_age_seconds"})


def observe_request(request: HttpRequest, response: HttpResponse, *, seconds: float) -> None:
    """Observe the duration of a request, by view, method and status."""
    method = request.method if request.method in METHODS else "other"
    metrics.REQUEST_SECONDS.labels(_view_label(request), method, response.status_code).observe(seconds)


class MetricsMiddleware:
    """Middleware: observe the duration of each request outside the API."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        observe_request(request, response, seconds=time.perf_counter() - started)
        return response


class StateCollector:
    """Collector of gauges: what is waiting, and for how long, read at each scrape."""

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges. Those of a server that does not answer are missing, and its `..._up` is 0."""
        gauges, is_up = self._database_gauges()
        yield from gauges
        yield GaugeMetricFamily("flashsale_database_up", "Whether PostgreSQL answers", is_up)
        gauges, is_up = self._redis_gauges()
        yield from gauges
        yield GaugeMetricFamily("flashsale_redis_up", "Whether Valkey/Redis answers", is_up)

    def _database_gauges(self) -> tuple[list[Metric], int]:
        gauges: list[Metric] = []
        try:
            with connection.cursor() as cursor:
                for (name, help_text, labels), query in _QUERIES.items():
                    cursor.execute(query)
                    is_shown = settings.SHOP_MAKES_PAYMENTS or name not in _OF_OWN_PAYMENTS
                    gauges.append(_gauge(name, help_text, labels, cursor.fetchall() if is_shown else []))
            gauges += queue_gauges.gauges()
        except (DatabaseError, InterfaceError):
            return gauges, 0
        return gauges, 1

    def _redis_gauges(self) -> tuple[list[Metric], int]:
        try:
            silent = heartbeat.silent_queues()
            lengths = _queue_lengths()
            drift = audit.last_result()
        except (redis.RedisError, KombuError):
            return [], 0
        gauges: list[Metric] = [
            _gauge(
                "flashsale_worker_silent", "1 where the queue's worker has sent no heartbeat lately", ("queue",),
                [(queue, int(queue in silent)) for queue in heartbeat.QUEUES],
            ),
            _gauge("flashsale_queue_tasks", "Tasks that wait for a worker", ("queue",), lengths),
        ]  # fmt: skip
        if drift is not None:
            gauges.append(_gauge("flashsale_drifting_products", "Products with wrong counters", (), [(drift,)]))
        return gauges, 1


@require_safe
def metrics_view(request: HttpRequest) -> HttpResponse:
    """Answer in Prometheus' text format; 404 where no token is set, 401 for a wrong one."""
    if settings.METRICS_TOKEN:
        expected = f"Bearer {settings.METRICS_TOKEN}"
        if not hmac.compare_digest(request.headers.get("Authorization", "").encode(), expected.encode()):
            return HttpResponse(status=HTTPStatus.UNAUTHORIZED, headers={"WWW-Authenticate": "Bearer"})
    elif not settings.LOCAL_MODE:
        return HttpResponse(status=HTTPStatus.NOT_FOUND)
    text = generate_latest(_process_registry()) + generate_latest(_state)
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


def register() -> None:
    """Start a worker's metrics server as soon as the worker is ready; end a worker whose port is taken."""
    worker_init.connect(refuse_taken_port)
    worker_ready.connect(serve_worker_metrics)


def refuse_taken_port(**_) -> None:
    """Exit with a message when another program listens on `METRICS_PORT`: its metrics would be taken for these."""
    if settings.METRICS_PORT:
        try:
            ports.refuse_taken(_ANY_ADDRESS, settings.METRICS_PORT)
        except ports.PortTaken as error:
            sys.exit(f"celery: {error}: give each worker of a machine a METRICS_PORT of its own.")


def serve_worker_metrics(**_) -> None:
    """Serve the metrics of this worker's processes on `METRICS_PORT`, where it is set."""
    if settings.METRICS_PORT:
        # Again: another worker may have started meanwhile.
        refuse_taken_port()
        start_http_server(settings.METRICS_PORT, addr=_ANY_ADDRESS, registry=_process_registry())


def _process_registry() -> CollectorRegistry:
    """Return the registry of all processes of this machine; of this one alone where they share no folder."""
    if not metrics.FOLDER:
        return REGISTRY
    registry = CollectorRegistry()
    ProcessMetricsCollector(registry, metrics.FOLDER)
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


def _view_label(request: HttpRequest) -> str:
    """Return the name of the URL pattern, one for the whole admin, "none" without a match: few values by design."""
    match = request.resolver_match
    if match is None:
        return "none"
    return "admin" if "admin" in match.namespaces else match.url_name or "none"


_state = CollectorRegistry(auto_describe=False)
_state.register(StateCollector())
