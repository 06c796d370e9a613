"""The copies of one process: what may be kept, for how long, and that nothing older replaces anything newer."""

import time

import pytest

from catalog.snapshots import Snapshot, local
from catalog.snapshots.local import Copies

PRODUCT = 1
MEMBERS = {"total_stock": 10, "available_stock": 10, "is_sold_out": False, "sale_status": "live", "description": ""}


def snapshot(version: int, *, seconds: float = 60, tracks_stock: bool = True, **members) -> Snapshot:
    """Return an answer of this version that may be used for `seconds`."""
    return Snapshot(MEMBERS | members, version, tracks_stock, time.monotonic() + seconds)


def accepts(copies: Copies, offered: Snapshot, *, product_id: int = PRODUCT) -> bool:
    """Offer an answer that was asked for now."""
    return copies.accept(product_id, offered, asked_at=time.monotonic())


@pytest.fixture
def copies(monkeypatch) -> Copies:
    """Copies with a subscription that stays live for a minute."""
    monkeypatch.setattr(local, "LIVE_SECONDS", 60.0)
    found = Copies()
    found.begin()
    found.confirm(sent_at=time.monotonic())
    return found


def test_an_answer_is_used_until_it_expires(copies):
    accepts(copies, snapshot(1))
    accepts(copies, snapshot(1, seconds=-0.001), product_id=2)

    assert copies.get(PRODUCT).version == 1
    assert copies.get(2) is None


def test_a_commit_changes_the_counters_and_not_the_time(copies):
    accepts(copies, snapshot(1))
    before = copies.get(PRODUCT)

    copies.write_through(PRODUCT, version=2, total=10, free=0)

    after = copies.get(PRODUCT)
    assert (after.members["available_stock"], after.members["sale_status"]) == (0, "sold_out")
    assert after.expires_at == before.expires_at
    assert before.members["available_stock"] == 10


def test_reordered_commits_leave_the_newest(copies):
    accepts(copies, snapshot(1))

    copies.write_through(PRODUCT, version=3, total=10, free=3)
    copies.write_through(PRODUCT, version=2, total=10, free=9)

    assert copies.get(PRODUCT).members["available_stock"] == 3


@pytest.mark.parametrize("was_kept", [True, False])
def test_an_answer_older_than_a_known_commit_is_not_accepted(copies, was_kept):
    if was_kept:
        accepts(copies, snapshot(1))
    copies.write_through(PRODUCT, version=3, total=10, free=3)

    is_accepted = accepts(copies, snapshot(2))

    assert not is_accepted
    assert (copies.get(PRODUCT) is not None) == was_kept
    assert not was_kept or copies.get(PRODUCT).version == 3


def test_control_without_the_memory_of_versions_an_older_answer_is_accepted(copies, monkeypatch):
    copies.write_through(PRODUCT, version=3, total=10, free=3)

    monkeypatch.setattr(local, "VERSION_SECONDS", -1)

    assert accepts(copies, snapshot(2))
    assert copies.get(PRODUCT).version == 2


def test_of_two_answers_of_one_version_the_later_read_is_kept(copies):
    early, late = snapshot(1, seconds=50), snapshot(1, seconds=60)

    for offered in (early, late, early):
        assert accepts(copies, offered)

    assert copies.get(PRODUCT) is late


def test_a_commit_deletes_an_answer_that_counts_overdue_units(copies):
    accepts(copies, snapshot(1, tracks_stock=False))

    copies.write_through(PRODUCT, version=2, total=10, free=3)

    assert copies.get(PRODUCT) is None


def test_an_answer_asked_for_before_the_product_changed_is_not_accepted(copies):
    accepts(copies, snapshot(1))
    asked_at = time.monotonic()
    copies.invalidate(PRODUCT)

    assert copies.get(PRODUCT) is None
    assert not copies.accept(PRODUCT, snapshot(1), asked_at=asked_at)
    assert copies.get(PRODUCT) is None
    assert accepts(copies, snapshot(1))
    assert copies.get(PRODUCT) is not None


def test_an_answer_asked_for_before_the_subscription_is_not_kept(copies):
    asked_at = time.monotonic()
    copies.begin()

    assert copies.accept(PRODUCT, snapshot(1), asked_at=asked_at)
    assert copies.get(PRODUCT) is None


def test_the_subscription_is_live_for_a_second_after_the_answered_ping_was_sent(copies, monkeypatch):
    accepts(copies, snapshot(1))
    monkeypatch.setattr(local, "LIVE_SECONDS", 1.0)

    copies.confirm(sent_at=time.monotonic() - 1.001)
    stopped = copies.get(PRODUCT)
    monkeypatch.setattr(local, "LIVE_SECONDS", 60.0)
    copies.confirm(sent_at=time.monotonic() - 1.001)

    assert stopped is None
    assert copies.get(PRODUCT) is not None


def test_without_a_subscription_nothing_is_kept_and_versions_are_known(copies):
    accepts(copies, snapshot(1))
    copies.write_through(PRODUCT, version=3, total=10, free=3)

    copies.end()

    assert copies.get(PRODUCT) is None
    assert not accepts(copies, snapshot(2))
    assert accepts(copies, snapshot(3))
    assert copies.get(PRODUCT) is None


def test_the_number_of_copies_and_versions_is_bounded(copies, monkeypatch):
    monkeypatch.setattr(local, "MAX_COPIES", 3)
    monkeypatch.setattr(local, "MAX_VERSIONS", 5)

    for product_id in range(10):
        accepts(copies, snapshot(1), product_id=product_id)

    assert [product_id for product_id in range(10) if copies.get(product_id)] == [7, 8, 9]
    assert list(copies._newest) == [5, 6, 7, 8, 9]


def test_a_long_answer_is_not_kept(copies):
    accepts(copies, snapshot(1, description="x" * local.MAX_TEXT_CHARACTERS))

    assert copies.get(PRODUCT) is None


def test_an_answer_is_rendered_once_for_each_version(copies):
    rendered = []
    accepts(copies, snapshot(1))

    for version in (1, 1, 2, 2):
        copies.write_through(PRODUCT, version=version, total=10, free=10 - version)
        copies.get(PRODUCT).rendered(lambda members: rendered.append(members["available_stock"]) or "body")

    assert rendered == [10, 8]
