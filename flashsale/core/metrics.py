"""Metrics besides those of `events`: durations, sizes, and what is too frequent for a line in the log.

With `PROMETHEUS_MULTIPROC_DIR` set, the processes of one machine or container share their metrics through files in that
folder. Source: https://prometheus.github.io/client_python/multiprocess/
"""

import os
from pathlib import Path

from prometheus_client import Counter, Histogram

__all__ = ["BATCH_REQUESTS", "FOLDER", "REQUEST_SECONDS", "SNAPSHOT_READS", "STOCK_LOCK_SECONDS", "Counter"]

FOLDER = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
if FOLDER:
    Path(FOLDER).mkdir(parents=True, exist_ok=True)

REQUEST_SECONDS = Histogram(
    "flashsale_http_request_seconds",
    "Duration of requests",
    ["view", "method", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
STOCK_LOCK_SECONDS = Histogram(
    "flashsale_stock_lock_seconds",
    "How long requests for holds waited for the lock on a product's stock, with the round trip",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2),
)
BATCH_REQUESTS = Histogram(
    "flashsale_hold_batch_requests",
    "How many requests for holds shared one transaction",
    buckets=(1, 2, 4, 8, 16, 32, 64),
)
SNAPSHOT_READS = Counter(
    "flashsale_snapshot_reads",
    "Reads of product snapshots: local (a copy in the process), hit (Valkey) or miss",
    ["result"],
)
