"""The registry of process-wide state: everything that a process keeps in memory for as long as it lives.

None of it is authoritative: PostgreSQL is, and each process has its own copy. A test compares these tables with the
variables of all modules, so that new state must be registered here.
"""

from importlib import import_module
from typing import Any

# Empty whenever no request is in progress.
IN_FLIGHT = {
    "catalog.snapshot_refresh.product_single_flight": "concurrent reads of one product from Valkey or PostgreSQL",
    "checkout.holds.batching.hold_batcher": "requests for holds of one product",
    "checkout.holds.batching.shared_batcher": "requests for holds of many products",
    "checkout.orders.batching.order_batcher": "requests for orders",
    "catalog.bulkheads.stock_locks": "threads that may wait for locked stock",
    "checkout.bulkheads.statistics_queries": "requests that count the rows of a sale",
    "checkout.waiting_room.reading.queue_single_flight": "concurrent reads of one queue",
    "checkout.idempotency.key_lookup_batcher": "look-ups of Idempotency-Keys",
    "flashsale.api.failure_limits.penalized_requests": "requests of penalized addresses",
    "flashsale.staff.logins.passwords._bulkheads": "threads that hash passwords",
    "payments.inbox.batching.delivery_batcher": "deliveries to store",
    "payments.inbox.batching.payment_batcher": "events to process",
    "payments.inbox.receiving._deliveries": "threads that store or process deliveries",
    "payments.attempts.batching.attempt_batcher": "buyers' requests for payments to make",
    "payments.attempts.batching.answer_batcher": "answers of payment providers to store",
    "payments.attempts.asking._asking": "requests that may wait for a payment provider",
    "payments.inbox.batching._locks": "threads that may wait for locked rows to apply payments",
}

# Kept between requests; when it is reset, it is computed, counted or connected again.
REMEMBERED = {
    "flashsale.core.connections.commit_waits.watchdog": "the thread that cancels COMMITs which wait for too long",
    # Redis clients, and whether Redis answered a moment ago.
    "flashsale.core.redis_client._client": "the Redis client, by URL",
    "flashsale.core.redis_servers.pools.master_finder": "the master that sentinels named a moment ago, by URL",
    "flashsale.api.rate_limits._limiter": "the rate limiter's Redis client, by URL",
    "flashsale.staff.logins.limits._redis_limiter": "the log-in limiter's Redis client, by URL",
    "catalog.snapshots.stored._breaker": "circuit breaker",
    "catalog.snapshots.stored._script": "scripts, registered once with the Redis client",
    "checkout.audit._breaker": "circuit breaker",
    "payments.attempts.inquiries._breaker": "circuit breaker",
    "flashsale.api.rate_limits._breaker": "circuit breaker",
    "flashsale.observability.heartbeat._breaker": "circuit breaker",
    "flashsale.outbox.deliveries.leadership._breaker": "circuit breaker",
    "flashsale.staff.logins.limits._breaker": "circuit breaker",
    # Connections to other servers.
    "payments.providers.stripe.transport.connections": "the connections to Stripe's API",
    "flashsale.outbox.deliveries.transport._context": "the authorities that sign endpoints' certificates",
    # Copies of the products' answers.
    "catalog.snapshots.pushes.subscription": "the thread that applies pushes to the copies, and whether it may start",
    "catalog.snapshots.local.copies": "copies of answers, and the newest versions known, for seconds",
    # Limits and short-lived knowledge of this process alone.
    "checkout.holds.batching.products": "products in progress, and those whose stock was locked for long",
    "checkout.sold_out.shortages": "products whose units were short, and when their snapshots were refreshed",
    "checkout.waiting_room.queues.copies": "copies of queues, and what was shown as served",
    "checkout.waiting_room.database_clock.database_clock": "the offset to the database's clock",
    "checkout.waiting_room.counts.counter": "tickets, claims and `busy` answers that are not stored yet",
    "checkout.waiting_room.running.runner": "the thread that keeps queues moving",
    "flashsale.api.failure_limits._penalties": "addresses over a limit of failures",
    "flashsale.api.failure_limits._accepted_tokens": "API tokens that were accepted",
    "flashsale.staff.logins.limits._process_limiter": "log-ins counted here while Redis does not answer",
    "flashsale.core.tracing._in_progress": "traces of the requests and tasks in progress",
    "flashsale.observability.health.migrations": "whether all migrations are applied",
    # Counts on their way to the log or to PostgreSQL.
    "checkout.views._refusals": "sampled event `hold_refused`",
    "flashsale.api.errors._busy": "sampled event `request_busy`",
    "flashsale.web.error_pages._busy": "sampled event `request_busy`, of pages",
    "flashsale.staff.logins.attempts._failed": "sampled event `login_failed`",
    "flashsale.staff.refusals._refused": "sampled event `login_refused`",
    "payments.inbox.receiving._refused": "sampled event `webhook_refused`",
    "checkout.refusal_counts.writing.writer": "the thread that stores the refusals",
    "checkout.refusal_counts.counting.counter": "refusals that are not stored yet",
    # Rendered once, as long as code and settings stay.
    "checkout.views._path_of": "paths of API views",
    "flashsale.api.errors._path_of_page": "paths of problem pages",
    "flashsale.api.handler._remembered_match": "views of paths that were requested lately",
    "flashsale.api.hosts._is_allowed": "whether a Host header is allowed, by its spelling",
    "flashsale.api.openapi.document._docs": "the page of the API's documentation",
    "flashsale.api.openapi.document._schemas": "the OpenAPI document",
    "flashsale.api.problem_pages._pages": "problem pages",
    "flashsale.core.rows._columns": "columns of models",
    "flashsale.core.rows._insertion": "INSERTs of models",
    "flashsale.core.rows._json_attributes": "jsonb columns of models",
    "flashsale.core.rows._selection": "SELECTs of models",
    "flashsale.core.rows._update": "UPDATEs of models",
    "flashsale.outbox.resources._columns_of": "columns of resources, and how their values are read from snapshots",
    "flashsale.outbox.recording._insertion_sql": "INSERTs of events",
    "catalog.stock_announcements._differing_sql": "the query of products to announce",
    "flashsale.core.rest.serializers._shared": "serializer instances, by class",
    "flashsale.core.rest.serializers._members_of": "how the members of responses are rendered, by serializer class",
    "checkout.waiting_room.tickets._keyed": "what signs tickets, by key",
    "flashsale.web.environ._key_of": "how headers are called in a request's environment",
    "flashsale.demo_shop.views._pages": "the demo shop's page, by how it takes payments",
    "flashsale.web.error_pages._pages": "error pages outside the API",
}


def state_named(name: str) -> Any:
    """Return the object behind a name of the tables."""
    module, _, variable = name.rpartition(".")
    return getattr(import_module(module), variable)


def forget() -> None:
    """Reset everything in `REMEMBERED` to the state of a new process, for tests."""
    for name in REMEMBERED:
        state = state_named(name)
        reset = next(getattr(state, verb) for verb in ("reset", "cache_clear", "clear") if hasattr(state, verb))
        reset()
