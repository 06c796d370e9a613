"""Health: liveness, readiness, and the middleware that answers probes."""

from collections.abc import Callable

import redis
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from flashsale.core.connections import read_only
from flashsale.observability import heartbeat, prometheus

RETRY_AFTER_SECONDS = 1


class _Migrations:
    """Checks whether all migrations of this code are applied, and caches a yes for the life of the process."""

    def __init__(self) -> None:
        self._are_applied = False

    def reset(self) -> None:
        """Ask the database again."""
        self._are_applied = False

    def are_applied(self) -> bool:
        if not self._are_applied:
            executor = MigrationExecutor(connection)
            self._are_applied = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        return self._are_applied


migrations = _Migrations()


@require_safe
def livez(request: HttpRequest) -> JsonResponse:
    """Answer 200: the process is alive."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 when it can sell: `ok`, or `degraded` without Redis or a worker; else 503 with `Retry-After`."""
    parts = {"database": _database(), **_redis_and_workers()}
    if parts["database"] != "ok":
        body = {"status": "unavailable", "parts": parts}
        return JsonResponse(body, status=503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    all_ok = all(state == "ok" for state in parts.values())
    return JsonResponse({"status": "ok" if all_ok else "degraded", "parts": parts})


def _database() -> str:
    try:
        if not read_only.takes_writes():
            return "read-only"
        return "ok" if migrations.are_applied() else "migrations missing"
    except (DatabaseError, InterfaceError):
        return "down"


def _redis_and_workers() -> dict[str, str]:
    try:
        silent = heartbeat.silent_queues()
    except redis.RedisError:
        return {"redis": "down", "workers": "unknown"}
    return {"redis": "ok", "workers": f"silent: {', '.join(silent)}" if silent else "ok"}


class HealthMiddleware:
    """Middleware: answer probes and scrapes before the Host header and HTTPS are checked, which probes do not send."""

    views = {"/livez": livez, "/readyz": readyz, "/metrics": prometheus.metrics_view}

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.views.get(request.path_info, self.get_response)(request)
