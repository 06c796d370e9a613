"""A back end that reads the feed of events to its end, as a fulfilment system would.

`python -m flashsale.simulation.feed_reader URL CURSOR` takes an API token from the environment variable `READER_TOKEN`,
reads on until its standard input is closed and nothing is left, then prints the events, one JSON document a line.
"""

import json
import os
import sys
import threading
import time
from typing import Any

import httpx

TOKEN = "READER_TOKEN"  # noqa: S105  the name of a variable
EVENTS_PATH = "/api/v1/events"
PAGE_EVENTS = 500
POLL_SECONDS = 0.5
TIMEOUT_SECONDS = 15
# How long the feed may stay unreadable, while servers restart.
PATIENCE_SECONDS = 180
PASSING = frozenset({429, 502, 503, 504})


def read_page(client: httpx.Client, after: int) -> dict[str, Any]:
    """Return the page after a cursor, asking again while the server is busy or away. Raises `httpx.HTTPError`."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            response = client.get(EVENTS_PATH, params={"after": after, "limit": PAGE_EVENTS})
            if response.status_code not in PASSING or time.monotonic() > give_up_at:
                return response.raise_for_status().json()
        except httpx.TransportError:
            if time.monotonic() > give_up_at:
                raise
        time.sleep(POLL_SECONDS)


def read_on(client: httpx.Client, after: int, is_over: threading.Event) -> list[dict[str, Any]]:
    """Return the events after a cursor, until `is_over` is set and nothing is left."""
    events: list[dict[str, Any]] = []
    while True:
        was_over = is_over.is_set()
        page = read_page(client, after)
        after = page["next"]
        events += page["results"]
        if not page["has_more"]:
            if was_over:
                return events
            is_over.wait(POLL_SECONDS)


def main() -> None:
    url, after = sys.argv[1], int(sys.argv[2])
    is_over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), is_over.set()), daemon=True).start()
    headers = {"authorization": f"Bearer {os.environ[TOKEN]}"}
    with httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        for event in read_on(client, after, is_over):
            print(json.dumps(event))


if __name__ == "__main__":
    main()
