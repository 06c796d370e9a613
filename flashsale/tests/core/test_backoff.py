"""Waiting before another try."""

from flashsale.core import backoff


def test_the_wait_before_the_next_attempt_grows_up_to_a_cap():
    def waits(tries: int) -> list[float]:
        chosen = [backoff.full_jitter(tries, base_seconds=2, cap_seconds=3600) for _ in range(300)]
        return sorted(wait.total_seconds() for wait in chosen)

    longest = {tries: waits(tries)[-1] for tries in (1, 5, 40)}

    assert 1 < longest[1] <= 4
    assert 16 < longest[5] <= 64
    assert 900 < longest[40] <= 3600
    assert waits(40)[0] < 900
