"""When a delivery is tried again."""

from datetime import UTC, datetime, timedelta

import pytest

from flashsale.outbox.deliveries import schedule

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def test_there_are_twelve_tries_over_three_days_each_a_little_earlier_or_later():
    waits = {tries: [schedule.wait_after(tries) for _ in range(100)] for tries in range(1, 13)}

    seconds = [5, 30, 120, 600, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
    for tries, usual in enumerate(seconds, start=1):
        chosen = [wait.total_seconds() for wait in waits[tries]]
        assert usual * 0.8 <= min(chosen) < usual * 0.95
        assert usual * 1.05 < max(chosen) <= usual * 1.2
    assert set(waits[12]) == {None}
    assert 3 <= timedelta(seconds=sum(seconds)).days < 4


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120), ("0", 0), ("999999", 3_600), ("9" * 90, 3_600), ("", 0), ("-5", 0), ("1.5", 0), ("soon", 0),
        ("Thu, 26 Nov 2026 12:10:00 GMT", 600), ("Thu, 26 Nov 2026 11:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3_600), ("Fri, 31 Dec 9999 23:59:59 -2359", 3_600),
        ("Fri, 31 Dec 99999 23:59:59 GMT", 0),
    ],
)  # fmt: skip
def test_a_receiver_may_ask_for_an_hour_at_most(header, seconds):
    assert schedule.asked_wait(header, now=NOW) == timedelta(seconds=seconds)
