"""Fixtures of the tests of what waits: an event loop in a thread of its own, and threads."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from flashsale.tests.support.greenlets import LoopThread


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    with LoopThread() as loop:
        yield loop


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as threads:
        yield threads
