"""Backoff: how long to wait before the next attempt."""

import random
from datetime import timedelta


def full_jitter(tries: int, *, base_seconds: float, cap_seconds: float) -> timedelta:
    """Return a random wait before the next attempt: exponential in the attempts so far, with full jitter.

    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return timedelta(seconds=random.uniform(0, min(cap_seconds, base_seconds * 2**tries)))
