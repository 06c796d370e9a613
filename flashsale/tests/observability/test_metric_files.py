"""Metric files of several processes: those of dead processes are merged into one."""

import os
import signal
import subprocess
import sys

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from flashsale.observability.metric_files import ProcessMetricsCollector
from flashsale.tests.support.processes import PROJECT, WAIT_SECONDS

COUNTS = """
import sys
from prometheus_client import Counter, Gauge, Histogram
Counter("sold", "Units", ["product"]).labels("a").inc(3)
Gauge("busy", "Threads", multiprocess_mode="sum").set(5)
Gauge("living", "Threads", multiprocess_mode="livesum").set(7)
Histogram("seconds", "Duration", buckets=(1, 2)).observe(1.5)
print("counted", flush=True)
sys.stdin.read()
"""


def counting(folder) -> subprocess.Popen:
    """Start a process that counts in this folder and goes on living."""
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-c", COUNTS], env=environment, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdout.readline()
    return process


def numbers(kind: type[MultiProcessCollector], *given) -> dict[str, float]:
    """Return the samples that such a collector gives."""
    registry = CollectorRegistry()
    kind(registry, *given)
    lines = generate_latest(registry).decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_counters_of_dead_processes_stay_and_their_gauges_do_not(tmp_path):
    living, killed, ended = (counting(tmp_path) for _ in range(3))
    before = numbers(ProcessMetricsCollector, str(tmp_path))
    killed.send_signal(signal.SIGKILL)
    killed.wait(WAIT_SECONDS)
    ended.communicate(timeout=WAIT_SECONDS)

    after, again = numbers(ProcessMetricsCollector, str(tmp_path)), numbers(ProcessMetricsCollector, str(tmp_path))

    assert before['sold_total{product="a"}'] == 9
    assert (before["busy"], before["living"]) == (15, 21)
    assert (after.pop("busy"), after.pop("living")) == (5, 7)
    assert after == {name: value for name, value in before.items() if name not in ("busy", "living")}
    assert {name: value for name, value in again.items() if name not in ("busy", "living")} == after
    assert {name.stem.rpartition("_")[2] for name in tmp_path.glob("*.db")} == {str(living.pid), "gone"}
    living.communicate(timeout=WAIT_SECONDS)


def test_control_the_librarys_collector_keeps_files_of_dead_processes(tmp_path):
    for _ in range(3):
        counting(tmp_path).communicate(timeout=WAIT_SECONDS)

    found = numbers(MultiProcessCollector, str(tmp_path))

    assert found["busy"] == 15
    assert len(list(tmp_path.glob("counter_*.db"))) == 3


def test_files_of_dead_processes_are_merged_into_few(tmp_path):
    for _ in range(5):
        counting(tmp_path).communicate(timeout=WAIT_SECONDS)

        found = numbers(ProcessMetricsCollector, str(tmp_path))

    assert found['sold_total{product="a"}'] == 15
    assert sorted(name.name for name in tmp_path.glob("*.db")) == ["counter_gone.db", "histogram_gone.db"]
