"""The HTTP client of the shoppers: it retries when the server is busy, and records every answer."""

import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import httpx

CONNECTIONS = 64
REQUEST_TIMEOUT_SECONDS = 15
MAX_TRIES = 40
RETRY_PAUSE_SECONDS = 0.5
JSON_HEADERS = {"content-type": "application/json"}
RETRY_STATUSES = frozenset({429, 503})


class GaveUp(Exception):
    """The server did not give a definite answer in `MAX_TRIES` tries."""


@dataclass
class Journal:
    """The answers of the server. What it answered with 2xx must be in the database afterwards (see `verdict`)."""

    latencies_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    retries: int = 0
    gave_up: int = 0
    server_errors: list[str] = field(default_factory=list)
    holds: dict[str, int] = field(default_factory=dict)
    orders: set[str] = field(default_factory=set)
    paid_orders: set[str] = field(default_factory=set)
    events: set[str] = field(default_factory=set)
    money_taken: set[str] = field(default_factory=set)

    def record(self, call: str, response: httpx.Response, *, seconds: float) -> None:
        """Record one answer."""
        self.latencies_ms[call].append(seconds * 1000)
        self.answers[call, outcome_of(response)] += 1
        if response.status_code >= 500 and response.status_code not in RETRY_STATUSES:
            self.server_errors.append(f"{call}: {response.status_code} {response.text[:200]}")


def outcome_of(response: httpx.Response) -> str:
    """Return the problem code of a refusal, else the status."""
    if response.status_code >= 400 and "json" in response.headers.get("content-type", ""):
        return response.json().get("code", str(response.status_code))
    return str(response.status_code)


class ShopClient:
    """The API, called by all shoppers over `CONNECTIONS` connections."""

    def __init__(self, base_url: str, journal: Journal) -> None:
        self.journal = journal
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        self._client = httpx.AsyncClient(
            base_url=base_url, timeout=REQUEST_TIMEOUT_SECONDS, limits=limits, trust_env=False
        )
        # One request for each connection, so that latencies do not include the wait for a connection.
        self._free_connections = asyncio.Semaphore(CONNECTIONS)

    async def call(
        self,
        name: str,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Send a JSON body, if any, and return a definite answer. Raises `GaveUp`."""
        content = b"" if body is None else json.dumps(body).encode()
        own = {} if body is None else JSON_HEADERS
        return await self.send(name, method, path, content, own | (headers or {}))

    async def send(self, name: str, method: str, path: str, content: bytes, headers: dict[str, str]) -> httpx.Response:
        """Return a definite answer; waits and repeats on `busy`, throttling and lost connections. Raises `GaveUp`."""
        for _ in range(MAX_TRIES):
            pause = RETRY_PAUSE_SECONDS
            try:
                async with self._free_connections:
                    started = time.perf_counter()
                    response = await self._client.request(method, path, content=content, headers=headers)
                self.journal.record(name, response, seconds=time.perf_counter() - started)
                if response.status_code not in RETRY_STATUSES:
                    return response
                pause = float(response.headers.get("Retry-After", RETRY_PAUSE_SECONDS))
            except httpx.TransportError as error:
                self.journal.answers[name, type(error).__name__] += 1
            self.journal.retries += 1
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
        self.journal.gave_up += 1
        raise GaveUp(name)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
